package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/web/access"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
	"vitrine/product/web/query"
)

// briefly lets clients cache an answer for a shorter time than the objects of a removed
// image are kept.
const briefly = "private, max-age=30"

// imageSizes are the names of an image's variants.
var imageSizes = []string{"main", "large", "small", "square"}

// variant is a part of a variant's JSON.
type variant struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Format string `json:"format"`
}

// getImageFile redirects to the file of a size: to WebP if it exists and the client
// prefers it, else to JPEG or PNG.
func (a *api) getImageFile(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	size, err := imageSize(r)
	if err != nil {
		return err
	}
	version, err := header.MinVersion(r.Header)
	if err != nil {
		return err
	}
	current, err := a.Catalogue.GetAtLeast(r.Context(), access.CallerOf(r).Scope, id, version)
	if err != nil {
		return err
	}
	variants, err := variantsOf(current, image)
	if err != nil {
		return err
	}
	chosen := choose(variants, size, r.Header.Values("Accept"))
	if chosen == nil {
		return problem.New("variant_not_found", "the image is not ready in this size")
	}
	h := w.Header()
	h.Set("Location", chosen.URL)
	h.Add("Vary", "Accept")
	h.Set("Cache-Control", briefly)
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
	return nil
}

// variantsOf returns the variants of an image of the product.
func variantsOf(s product.Snapshot, image uuid.UUID) ([]variant, error) {
	var content struct {
		Images []struct {
			ID       uuid.UUID `json:"id"`
			Variants []variant `json:"variants"`
		} `json:"images"`
	}
	if err := json.Unmarshal(s.Data, &content); err != nil {
		return nil, fmt.Errorf("decode product: %w", err)
	}
	for _, i := range content.Images {
		if i.ID == image {
			return i.Variants, nil
		}
	}
	return nil, product.ErrNotFound
}

// imageSize returns the size in the query, by default the main one.
func imageSize(r *http.Request) (string, error) {
	q := query.Parse(r.URL.RawQuery, []string{"size"})
	size, given := q.Values["size"]
	switch {
	case !given:
		size = imageSizes[0]
	case !slices.Contains(imageSizes, size):
		q.Fault("size", "invalid", "must be one of "+strings.Join(imageSizes, ", "))
	}
	return size, q.Query()
}

// choose returns the variant of a size for a client with these Accept fields, nil if
// there is none of that size.
func choose(variants []variant, size string, accept []string) *variant {
	var plain, webp *variant
	for i := range variants {
		v := &variants[i]
		switch {
		case v.Name != size:
		case v.Format == "webp":
			webp = v
		case plain == nil:
			plain = v
		}
	}
	if plain != nil && webp != nil && header.PrefersWebP(accept, "image/"+plain.Format) {
		return webp
	}
	return plain
}
