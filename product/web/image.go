package web

import (
	"net/http"

	"github.com/google/uuid"

	"vitrine/product"
)

// addImage takes the image's source in JSON, or the picture itself in a form.
func (a *api) addImage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if a.uploads.to != nil && hasType(r.Header, []string{typeForm}) {
		return a.addUploadedImage(w, r, id)
	}
	types := []string{typeJSON}
	if a.uploads.to != nil {
		types = append(types, typeForm)
	}
	if !hasType(r.Header, []string{typeJSON}) {
		return unsupportedType(r, types)
	}
	body, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := decodeNewImage(body)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	return a.putImage(w, r, id, input, pre, once)
}

// putImage adds the image that a request describes, and answers.
func (a *api) putImage(
	w http.ResponseWriter, r *http.Request, id int64, input product.NewImage, pre product.Precondition, once product.Idempotency,
) error {
	added, replayed, err := a.service.AddImageOnce(r.Context(), a.access.scope(r), id, input, pre, once)
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	describeVersion(w.Header(), added.Version)
	locate(w, r, "/products/"+formatNumber(id)+"/images/"+added.ID.String())
	send(w, r, http.StatusCreated, added.Data, "Image added successfully")
	return nil
}

// getImage answers as getProduct does, with the product's ETag: an image changes
// with its product's version only.
func (a *api) getImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	version, err := minVersion(r.Header)
	if err != nil {
		return err
	}
	current, err := a.service.Image(r.Context(), a.access.scope(r), id, image, version)
	if err != nil {
		return err
	}
	h, message := w.Header(), "Image retrieved from database"
	describeVersion(h, current.Version)
	h.Set("Cache-Control", revalidate)
	if markCache(h, current.Source) {
		message = "Image retrieved from cache"
	}
	if notModified(r, current.Version) {
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
	body, err := readBody(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	patch, err := decodeImagePatch(body)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.service.PatchImage(r.Context(), a.access.scope(r), id, image, patch, pre)
	if err != nil {
		return err
	}
	describeVersion(w.Header(), updated.Version)
	send(w, r, http.StatusOK, updated.Data, "Image updated successfully")
	return nil
}

// deleteImage answers as deleteProduct does. The headers tell the version of the
// product without it.
func (a *api) deleteImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	left, err := a.service.DeleteImage(r.Context(), a.access.scope(r), id, image, pre)
	if err != nil {
		return err
	}
	describe(w.Header(), left)
	send(w, r, http.StatusOK, []byte("null"), "Image deleted successfully")
	return nil
}

// pathImage reads {id} and {image}.
func pathImage(r *http.Request) (id int64, image uuid.UUID, err error) {
	if id, err = pathID(r); err != nil {
		return 0, uuid.Nil, err
	}
	image, err = pathUUID(r, "image")
	return id, image, err
}
