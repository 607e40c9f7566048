package process

import (
	"errors"
	"image"
	"slices"

	"vitrine/imaging"
	"vitrine/imaging/webp"
)

// webpBytes is the memory that writing WebP needs for each pixel of the main variant, in
// addition to outputBytes: planes, encoder state, the decoded WebP and JPEG, and the file.
const webpBytes = 24

// losslessBytes is the same for each pixel of a lossless or transparent WebP.
const losslessBytes = 72

// cutOutQuality is the quality of the WebP of a picture with transparency, whose PNG keeps
// every pixel.
const cutOutQuality = 85

// worthPercent is the largest size of a WebP that is worth storing, in percent of the JPEG
// or PNG of the same pixels.
const worthPercent = 90

// fitWebP drops the WebP files for which the whole memory budget is too small: first the
// lossless and transparent ones of the larger sizes, then all.
func (h *header) fitWebP(total int64) {
	if len(h.WebP) == 0 {
		return
	}
	for _, size := range imaging.Sizes {
		if h.format != imaging.JPEG && slices.Contains(h.WebP, size.Name) {
			w, ht := fit(h.width, h.height, size.Side)
			if h.packed = int64(w) * int64(ht); h.workBytes() <= total {
				return
			}
		}
	}
	if h.packed = 0; h.workBytes() > total {
		h.WebP = nil
	}
}

// webpMemory returns the most memory that making WebP files needs.
func (h header) webpMemory() int64 {
	if len(h.WebP) == 0 {
		return 0
	}
	w, ht := fit(h.width, h.height, imaging.Sizes[0].Side)
	return max(webpBytes*int64(w)*int64(ht), losslessBytes*h.packed)
}

// accompany makes the WebP of a finished rendition of img if it is asked for and worth
// storing.
func (e *encoder) accompany(r Rendition, img image.Image) error {
	if !slices.Contains(e.source.WebP, r.Name) {
		return nil
	}
	for _, w := range e.webps { // another size with the same pixels
		if w.of == r.Object {
			if w.Body != nil {
				w.Name = r.Name
				e.webps = append(e.webps, w)
			}
			return nil
		}
	}
	body, err := e.encodeWebP(r, img)
	if errors.Is(err, webp.ErrLossless) { // the PNG remains
		body, err = nil, nil
	}
	if err != nil {
		return err
	}
	if 100*len(body) > worthPercent*len(r.Body) {
		body = nil
	}
	e.webps = append(e.webps, companion{of: r.Object, Rendition: Rendition{
		Name: r.Name, Object: r.Name + "." + imaging.WebP.Extension(), Width: r.Width, Height: r.Height, Format: imaging.WebP, Body: body,
	}})
	return nil
}

// companion is the WebP of a rendition. It has no body if it is not worth storing.
type companion struct {
	Rendition

	of string // the object of the JPEG or PNG
}

// worthwhile returns the WebP files that are worth storing.
func (e *encoder) worthwhile() (list []Rendition) {
	for _, w := range e.webps {
		if w.Body != nil {
			list = append(list, w.Rendition)
		}
	}
	return list
}

// encodeWebP returns nil if no WebP is worth storing, or none fits the memory budget.
func (e *encoder) encodeWebP(r Rendition, img image.Image) ([]byte, error) {
	m, isRGBA := img.(*image.RGBA)
	if r.Format != imaging.PNG {
		if isRGBA {
			img = toPlanar(m)
		}
		return matchWebP(r.Body, img)
	}
	if int64(r.Width)*int64(r.Height) > e.source.packed {
		return nil, nil
	}
	if isRGBA {
		if drawing := indexed(m); drawing != nil {
			return webp.Append(nil, drawing, webp.Options{})
		}
		if !e.opaque {
			return webp.Append(nil, m, webp.Options{Quality: cutOutQuality})
		}
	}
	return webp.Append(nil, img, webp.Options{Lossless: true})
}
