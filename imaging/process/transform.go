package process

import (
	"context"
	"image"

	"vitrine/imaging"
)

// transform makes the renditions of a decoded picture. The encoders do not look at ctx, so
// when it ends the current size is finished first.
func transform(ctx context.Context, img image.Image, h header, src []byte) (*Processed, error) {
	colours := h.colours.Read(src)
	result := &Processed{Format: h.format, Width: h.width, Height: h.height, Animated: h.animated, Note: colours.Note}
	width, height := fit(h.width, h.height, imaging.Sizes[0].Side)
	main, opaque := scaleSource(img, h, colours, width, height)
	main = turn(main, h.orientation)
	colours.Convert(main)
	if h.orientation.swapsSides() {
		result.Width, result.Height = h.height, h.width
	}
	e := &encoder{source: h, bytes: len(src), opaque: opaque}
	err := e.write(ctx, main, result)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, unwritable(err)
}

// write makes the renditions of the main picture. Each size is scaled from the previous one.
func (e *encoder) write(ctx context.Context, main image.Image, result *Processed) error {
	if e.source.squareOnly {
		square, err := e.square(main, nil)
		result.Renditions = []Rendition{square}
		return err
	}
	scaled, cropped := main, main
	var r Rendition
	for i, size := range imaging.Sizes {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, h := fit(result.Width, result.Height, size.Side)
		if r.Width == w && r.Height == h {
			r.Name = size.Name
		} else {
			if i > 0 {
				scaled = scaleDown(scaled, w, h)
			}
			if min(w, h) >= imaging.SquareSide {
				cropped = scaled
			}
			body, format, err := e.encode(scaled, w == result.Width)
			if err != nil {
				return err
			}
			r = Rendition{
				Name: size.Name, Object: size.Name + "." + format.Extension(),
				Width: w, Height: h, Format: format, Body: body,
			}
		}
		result.Renditions = append(result.Renditions, r)
		if err := e.accompany(r, scaled); err != nil {
			return err
		}
	}
	square, err := e.square(cropped, result.Renditions)
	if err != nil {
		return err
	}
	result.Renditions = append(append(result.Renditions, square), e.worthwhile()...)
	stand := newStandIn(scaled)
	result.Placeholder, result.AverageColor = stand.placeholder, stand.averageColor
	return nil
}
