package web

import (
	"net/http"
	"strconv"

	"vitrine/product/web/access"
	"vitrine/product/web/body"
)

func (a *api) createProduct(w http.ResponseWriter, r *http.Request) error {
	data, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := body.NewProduct(data, access.CallerOf(r).Scope)
	if err != nil {
		return err
	}
	created, replayed, err := a.Catalogue.Create(r.Context(), access.CallerOf(r).Scope, input, once)
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	describe(w.Header(), created.Version)
	locate(w, r, "/products/"+strconv.FormatInt(created.ID, 10))
	send(w, r, http.StatusCreated, created.Data, "Product created successfully")
	return nil
}

// replaceProduct replaces the whole product. It does not create one: the service
// assigns ids.
func (a *api) replaceProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	data, err := body.Read(w, r, body.JSON)
	if err != nil {
		return err
	}
	replacement, err := body.Replacement(data)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	replaced, err := a.Catalogue.Replace(r.Context(), access.CallerOf(r).Scope, id, replacement, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), replaced.Version)
	send(w, r, http.StatusOK, replaced.Data, "Product replaced successfully")
	return nil
}

func (a *api) patchProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	data, err := body.Read(w, r, body.MergePatch, body.JSON)
	if err != nil {
		return err
	}
	patch, err := body.ProductPatch(data)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.Catalogue.Patch(r.Context(), access.CallerOf(r).Scope, id, patch, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), updated.Version)
	send(w, r, http.StatusOK, updated.Data, "Product updated successfully")
	return nil
}

// deleteProduct answers 200 with the envelope and not 204, because clients of the
// original system read the message.
func (a *api) deleteProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	if err := a.Catalogue.Delete(r.Context(), access.CallerOf(r).Scope, id, pre); err != nil {
		return err
	}
	send(w, r, http.StatusOK, []byte("null"), "Product deleted successfully")
	return nil
}

// reprocessBody is the JSON of what a reprocessing has started.
type reprocessBody struct {
	Reprocessing int `json:"reprocessing"`
	Retrying     int `json:"retrying"`
	Pending      int `json:"pending"`
}

// reprocessProduct answers 202: ready images stay ready while they are processed in
// the background. A body is ignored.
func (a *api) reprocessProduct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	begun, after, err := a.Jobs.Reprocess(r.Context(), access.CallerOf(r).Scope, id, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), after.Version)
	locate(w, r, "/products/"+strconv.FormatInt(id, 10))
	return sendJSON(w, r, http.StatusAccepted, reprocessBody{begun.Reprocessing, begun.Retrying, begun.Pending}, "Images will be reprocessed")
}
