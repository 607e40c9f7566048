package web

import "net/http"

// replaceProduct writes the whole product anew. It creates none: ids are the
// service's to give.
func (a *api) replaceProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	replacement, err := decodeReplacement(body)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	replaced, err := a.service.Replace(r.Context(), a.access.scope(r), id, replacement, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), replaced)
	send(w, r, http.StatusOK, replaced.Data, "Product replaced successfully")
	return nil
}
