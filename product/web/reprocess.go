package web

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// reprocessBody is what a reprocessing has begun, on the wire.
type reprocessBody struct {
	Reworks   int `json:"reworks"`
	Restarted int `json:"restarted"`
	Pending   int `json:"pending"`
}

// reprocessProduct answers 202: ready pictures stay ready while the work goes on
// behind it. A body is not read.
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
	data, err := json.Marshal(reprocessBody{begun.Reworks, begun.Restarted, begun.Pending})
	if err != nil {
		return fmt.Errorf("encode reprocessing: %w", err)
	}
	describe(w.Header(), after)
	locate(w, r, "/products/"+formatNumber(id))
	send(w, r, http.StatusAccepted, data, "Pictures will be processed again")
	return nil
}
