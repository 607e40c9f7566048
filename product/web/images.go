package web

import (
	"net/http"
	"strconv"

	"vitrine/product"
	"vitrine/product/postgres"
	"vitrine/product/web/access"
	"vitrine/product/web/body"
	"vitrine/product/web/header"
)

// addImage adds an image by its source in JSON, or by its file in a form.
func (a *api) addImage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if a.uploads.to != nil {
		if body.HasType(r.Header, body.Form) {
			return a.addUploadedImage(w, r, id)
		}
		if !body.HasType(r.Header, body.JSON) {
			return body.UnsupportedType(r, body.JSON, body.Form)
		}
	}
	data, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := body.NewImage(data)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	return a.putImage(w, r, id, input, pre, once)
}

// putImage adds the image and answers.
func (a *api) putImage(
	w http.ResponseWriter, r *http.Request, id int64, input product.NewImage, pre product.Precondition, once postgres.Idempotency,
) error {
	added, replayed, err := a.Catalogue.AddImageOnce(r.Context(), access.CallerOf(r).Scope, id, input, pre, once)
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	describe(w.Header(), added.Version)
	locate(w, r, "/products/"+strconv.FormatInt(id, 10)+"/images/"+added.ID.String())
	send(w, r, http.StatusCreated, added.Data, "Image added successfully")
	return nil
}

// getImage answers like getProduct, with the product's ETag: every change of an image
// changes its product's version.
func (a *api) getImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	version, err := header.MinVersion(r.Header)
	if err != nil {
		return err
	}
	current, err := a.Catalogue.Image(r.Context(), access.CallerOf(r).Scope, id, image, version)
	if err != nil {
		return err
	}
	h, message := w.Header(), "Image retrieved from database"
	describe(h, current.Version)
	h.Set("Cache-Control", revalidate)
	if markCache(h, current.Source) {
		message = "Image retrieved from cache"
	}
	if header.NotModified(r, current.Version) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, r, http.StatusOK, current.Data, message)
	return nil
}

func (a *api) patchImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	data, err := body.Read(w, r, body.MergePatch, body.JSON)
	if err != nil {
		return err
	}
	patch, err := body.ImagePatch(data)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.Catalogue.PatchImage(r.Context(), access.CallerOf(r).Scope, id, image, patch, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), updated.Version)
	send(w, r, http.StatusOK, updated.Data, "Image updated successfully")
	return nil
}

// deleteImage answers like deleteProduct. The headers have the version of the product
// without the image.
func (a *api) deleteImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	left, err := a.Catalogue.DeleteImage(r.Context(), access.CallerOf(r).Scope, id, image, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), left.Version)
	send(w, r, http.StatusOK, []byte("null"), "Image deleted successfully")
	return nil
}
