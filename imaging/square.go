package imaging

import (
	"context"
	"image"
	"time"
)

// SquareSide is the side of the square crop in pixels, or the picture's shorter one
// where that has less.
const SquareSide = 200

// square makes the square crop of a picture. from is the smallest scaled picture
// that is not narrower than the crop, or the main one; where one of the renditions
// is that square already, its object serves for this too.
func (e *encoder) square(from image.Image, made []Rendition) (Rendition, error) {
	size := from.Bounds().Size()
	side := min(size.X, size.Y, SquareSide)
	for _, r := range made {
		if r.Width == side && r.Height == side {
			r.Name = squareName
			return r, nil
		}
	}
	body, format, err := e.encode(scaleDown(e.source.focal.crop(from), side, side), false)
	if err != nil {
		return Rendition{}, err
	}
	return Rendition{
		Name: squareName, Object: e.source.focal.object(format), Width: side, Height: side, Format: format, Body: body,
	}, nil
}

// Square makes the square crop of a picture anew, and nothing else, round another
// focal point from the file of its main variant. It waits for memory and a CPU until
// ctx ends.
func (p *Processor) Square(ctx context.Context, main []byte, focal *Focal) (r Rendition, release func(), err error) {
	processed, err := p.process(ctx, main, wish{focal: focal, squareOnly: true})
	if err != nil {
		return Rendition{}, func() {}, err
	}
	return processed.Renditions[0], processed.Release, nil
}

// refocus makes the square of a ready image round the point that it is to show by
// now; the other variants stay.
func (t *rework) refocus(ctx context.Context) (*Reworked, error) {
	w := t.worker
	if len(t.Was.Variants) == 0 {
		return nil, nil
	}
	main, release, err := w.readObject(ctx, t.Was.Variants[0].Key)
	if err != nil {
		return nil, err
	}
	defer release()
	t.stage = StageTransform
	began := time.Now()
	square, release, err := w.process.Square(ctx, main.Body, t.Focal)
	if err != nil {
		return nil, err
	}
	defer release()
	t.log.WithField("duration_ms", time.Since(began).Milliseconds()).Info("Square made anew")
	digest := t.digest(main.SHA256, square.Object)
	variants, err := t.keep(ctx, digest, []Rendition{square})
	if err != nil {
		return nil, err
	}
	now := t.Was
	now.Variants = withSquare(t.Was.Variants, variants[0])
	return &Reworked{Digest: digest, Result: now}, nil
}

// withSquare puts a square in the place of the one there is, or behind the sizes.
func withSquare(variants []Variant, square Variant) []Variant {
	list := make([]Variant, 0, len(variants)+1)
	placed := false
	for i, v := range variants {
		if v.Name == squareName && v.Format != string(WebP) {
			continue
		}
		if !placed && (i >= len(Sizes) || v.Format == string(WebP)) {
			list, placed = append(list, square), true
		}
		list = append(list, v)
	}
	if !placed {
		list = append(list, square)
	}
	return list
}
