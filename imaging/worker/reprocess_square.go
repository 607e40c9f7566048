package worker

import (
	"context"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/process"
)

// square makes the square of a ready image around its new focal point; the other
// variants stay.
func (a *attempt) square(ctx context.Context) (*made, error) {
	was := a.claim.Was
	if len(was.Variants) == 0 {
		return a.unchanged(), nil
	}
	main, release, err := a.worker.readObject(ctx, was.Variants[0].Key)
	if err != nil {
		return nil, err
	}
	defer release()
	a.stage = imaging.StageTransform
	began := time.Now()
	square, release, err := a.worker.process.Square(ctx, main.Body, a.claim.Focal)
	if err != nil {
		return nil, err
	}
	defer release()
	a.log.WithField("duration_ms", time.Since(began).Milliseconds()).Info("Square crop made")
	variants, err := a.keepUnder(ctx, a.folder(main.SHA256, square.Object), []process.Rendition{square})
	if err != nil {
		return nil, err
	}
	was.Variants = withSquare(was.Variants, variants[0])
	return &made{Result: was}, nil
}

// withSquare replaces the square among variants, or inserts it behind the sizes.
func withSquare(variants []imaging.Variant, square imaging.Variant) []imaging.Variant {
	list := make([]imaging.Variant, 0, len(variants)+1)
	placed := false
	for i, v := range variants {
		if v.Name == imaging.SquareName && v.Format != string(imaging.WebP) {
			continue
		}
		if !placed && (i >= len(imaging.Sizes) || v.Format == string(imaging.WebP)) {
			list, placed = append(list, square), true
		}
		list = append(list, v)
	}
	if !placed {
		list = append(list, square)
	}
	return list
}
