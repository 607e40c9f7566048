package imaging

import (
	"context"
	"time"
)

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
		if v.Name == SquareName && v.Format != string(WebP) {
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
