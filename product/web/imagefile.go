package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// briefly lets the client itself keep an answer for less than the objects of a
// picture outlive their place on it.
const briefly = "private, max-age=30"

// imageSizes are the names that a picture's variants can have.
var imageSizes = []string{"main", "large", "small", "square"}

// pictureVariants is what the choice of a file needs of a picture's JSON.
type pictureVariants struct {
	Variants []pictureVariant `json:"variants"`
}

type pictureVariant struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Format string `json:"format"`
}

// getImageFile redirects to the file of a size: in WebP for clients that say they
// want it, where there is one, and otherwise as JPEG or PNG, whatever they say.
func (a *api) getImageFile(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	size, err := imageSize(r)
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
	var picture pictureVariants
	if err := json.Unmarshal(current.Data, &picture); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	chosen := picture.choose(size, r.Header.Values("Accept"))
	if chosen == nil {
		return newProblem(http.StatusNotFound, "variant_not_found", "the picture is not ready in this size")
	}
	h := w.Header()
	h.Set("Location", chosen.URL)
	h.Add("Vary", "Accept")
	h.Set("Cache-Control", briefly)
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
	return nil
}

// imageSize reads the query's size, the main one where there is none.
func imageSize(r *http.Request) (string, error) {
	q := parseQuery(r.URL.RawQuery, []string{"size"})
	size, given := q.values["size"]
	switch {
	case !given:
		size = imageSizes[0]
	case !slices.Contains(imageSizes, size):
		q.fault("size", "invalid", "must be one of "+strings.Join(imageSizes, ", "))
	}
	if len(q.faults) > 0 {
		return "", badParameters(q.faults)
	}
	return size, nil
}

// choose gives the variant of a size for a client with these Accept fields; nil
// where there is none of that size.
func (p pictureVariants) choose(size string, accept []string) *pictureVariant {
	var plain, webp *pictureVariant
	for i := range p.Variants {
		v := &p.Variants[i]
		switch {
		case v.Name != size:
		case v.Format == "webp":
			webp = v
		case plain == nil:
			plain = v
		}
	}
	if plain != nil && webp != nil && prefersWebP(accept, "image/"+plain.Format) {
		return webp
	}
	return plain
}
