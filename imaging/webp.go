package imaging

import (
	"context"
	"errors"
	"image"
	"slices"

	"vitrine/imaging/webp"
)

// webpBytes is what writing WebP needs for each pixel of the main variant, beside
// outputBytes: planes, notes, what it and the JPEG decode to, and the file.
const webpBytes = 24

// losslessBytes is that for each pixel of a lossless or transparent one.
const losslessBytes = 72

// cutOutQuality is for pictures with transparency, whose PNG keeps every pixel.
const cutOutQuality = 85

// worthPercent is the size of a WebP, in percent of the JPEG or PNG of the same
// pixels, from which on it is not worth an object of its own.
const worthPercent = 90

// ProcessWebP does what Process does, and appends renditions in WebP for those of
// the named sizes where they pay: they have at least a tenth less bytes, and are as
// like to the resized picture as the JPEG is. Beside the PNG of a drawing they keep
// every pixel, beside one with transparency that is none its transparency. There are
// none where the memory budget is too small for them. It takes several times the CPU
// time of Process.
func (p *Processor) ProcessWebP(ctx context.Context, src []byte, sizes ...string) (*Processed, error) {
	return p.process(ctx, src, wish{webp: sizes})
}

// fitWebP leaves out what the memory in all is not enough for: lossless and
// transparent WebPs of the larger sizes first, then all.
func (h *header) fitWebP(total int64) {
	if len(h.webp) == 0 {
		return
	}
	for _, size := range Sizes {
		if h.format != JPEG && slices.Contains(h.webp, size.Name) {
			w, ht := fit(h.width, h.height, size.Side)
			if h.packed = int64(w) * int64(ht); h.workBytes() <= total {
				return
			}
		}
	}
	if h.packed = 0; h.workBytes() > total {
		h.webp = nil
	}
}

// webpMemory is what making WebPs takes at most.
func (h header) webpMemory() int64 {
	if len(h.webp) == 0 {
		return 0
	}
	w, ht := fit(h.width, h.height, Sizes[0].Side)
	return max(webpBytes*int64(w)*int64(ht), losslessBytes*h.packed)
}

// accompany makes the WebP of a finished rendition of img, where it is wanted and
// pays.
func (e *encoder) accompany(r Rendition, img image.Image) error {
	if !slices.Contains(e.source.webp, r.Name) {
		return nil
	}
	for _, w := range e.webps { // another size, the same pixels
		if w.of == r.Object {
			if w.Body != nil {
				w.Name = r.Name
				e.webps = append(e.webps, w)
			}
			return nil
		}
	}
	body, err := e.encodeWebP(r, img)
	if errors.Is(err, webp.ErrLossless) { // there is a PNG
		body, err = nil, nil
	}
	if err != nil {
		return err
	}
	if 100*len(body) > worthPercent*len(r.Body) {
		body = nil
	}
	e.webps = append(e.webps, companion{of: r.Object, Rendition: Rendition{
		Name: r.Name, Object: r.Name + "." + WebP.Extension(), Width: r.Width, Height: r.Height, Format: WebP, Body: body,
	}})
	return nil
}

// companion is the WebP of a rendition; without a body it did not pay.
type companion struct {
	Rendition

	of string // object of the JPEG or PNG
}

// worthwhile gives the WebPs that pay.
func (e *encoder) worthwhile() (list []Rendition) {
	for _, w := range e.webps {
		if w.Body != nil {
			list = append(list, w.Rendition)
		}
	}
	return list
}

// encodeWebP gives nil where it can tell that there is none that pays, or fits.
func (e *encoder) encodeWebP(r Rendition, img image.Image) ([]byte, error) {
	m, isRGBA := img.(*image.RGBA)
	if r.Format != PNG {
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
