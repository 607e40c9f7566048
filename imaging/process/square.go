package process

import (
	"context"
	"image"

	"vitrine/imaging"
)

// square makes the square crop of a picture. from is the smallest scaled picture that
// is not narrower than the crop, or the main one. If one of the renditions already is
// that square, the crop shares its object.
func (e *encoder) square(from image.Image, made []Rendition) (Rendition, error) {
	size := from.Bounds().Size()
	side := min(size.X, size.Y, imaging.SquareSide)
	for _, r := range made {
		if r.Width == side && r.Height == side {
			r.Name = imaging.SquareName
			return r, nil
		}
	}
	body, format, err := e.encode(scaleDown(cropSquare(from, e.source.Focal), side, side), false)
	if err != nil {
		return Rendition{}, err
	}
	return Rendition{
		Name: imaging.SquareName, Object: e.source.Focal.SquareObject(format), Width: side, Height: side, Format: format, Body: body,
	}, nil
}

// Square makes only the square crop around a focal point, from the file of a picture's
// main variant. It waits for memory and a CPU until ctx ends. release gives the memory
// back and is never nil.
func (p *Processor) Square(ctx context.Context, main []byte, focal *imaging.Focal) (r Rendition, release func(), err error) {
	processed, err := p.process(ctx, main, output{Options: Options{Focal: focal}, squareOnly: true})
	if err != nil {
		return Rendition{}, func() {}, err
	}
	return processed.Renditions[0], processed.Release, nil
}
