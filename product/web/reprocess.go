package web

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// reprocessBody is the data of the response.
type reprocessBody struct {
	Reprocessing int `json:"reprocessing"`
	Retrying     int `json:"retrying"`
	Pending      int `json:"pending"`
}

// reprocessProduct answers 202: ready images stay ready meanwhile. It does not read the body.
func (a *api) reprocessProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	begun, after, err := a.service.Reprocess(r.Context(), a.access.scope(r), id, pre)
	if err != nil {
		return err
	}
	data, err := json.Marshal(reprocessBody{begun.Reprocessing, begun.Retrying, begun.Pending})
	if err != nil {
		return fmt.Errorf("encode reprocessing: %w", err)
	}
	describe(w.Header(), after)
	locate(w, r, "/products/"+formatNumber(id))
	send(w, r, http.StatusAccepted, data, "Pictures will be processed again")
	return nil
}
