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

// losslessBytes is that for sources that may have transparency or be drawings.
const losslessBytes = 72

// cutOutQuality is for pictures with transparency, whose PNG keeps every pixel.
const cutOutQuality = 85

// worthPercent is the size of a WebP, in percent of the JPEG or PNG of the same
// pixels, from which on it is not worth an object of its own.
const worthPercent = 90

// ProcessWebP does what Process does, and appends renditions in WebP for those of
// the named sizes where they pay: they have at least a tenth less bytes, and are as
// like to the resized picture as the JPEG is. Beside the PNG of a drawing they keep
// every pixel, beside one with transparency that is none its transparency. It takes
// several times the CPU time of Process.
func (p *Processor) ProcessWebP(ctx context.Context, src []byte, sizes ...string) (*Processed, error) {
	return p.process(ctx, src, sizes, nil)
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

// encodeWebP gives nil where it can tell that there is none that pays.
func (e *encoder) encodeWebP(r Rendition, img image.Image) ([]byte, error) {
	m, isRGBA := img.(*image.RGBA)
	if isRGBA && r.Format == PNG {
		if drawing := indexed(m); drawing != nil {
			return webp.Append(nil, drawing, webp.Options{})
		}
		if !e.opaque {
			return webp.Append(nil, m, webp.Options{Quality: cutOutQuality})
		}
		return webp.Append(nil, m, webp.Options{Lossless: true})
	}
	if r.Format == PNG {
		return webp.Append(nil, img, webp.Options{Lossless: true})
	}
	if isRGBA {
		img = toPlanar(m)
	}
	return matchWebP(r.Body, img)
}
