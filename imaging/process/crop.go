package process

import (
	"image"

	"vitrine/imaging"
)

// cropSquare returns the largest square of a picture whose centre is as near as
// possible to the focal point. The square shares the picture's memory and starts at
// (0, 0). In 4:2:0 two pixels share a chroma sample, so the square starts at an even
// pixel.
func cropSquare(img image.Image, focal *imaging.Focal) image.Image {
	size := img.Bounds().Size()
	side := min(size.X, size.Y)
	x, y := focal.PerMille()
	start := func(perMille, length int) int {
		return min(max((perMille*length+500)/1000-side/2, 0), length-side)
	}
	at := image.Pt(start(x, size.X), start(y, size.Y))
	switch m := img.(type) {
	case *image.YCbCr:
		at.X, at.Y = at.X&^1, at.Y&^1
		part := m.SubImage(squareAt(at, side)).(*image.YCbCr)
		part.Rect = squareAt(image.Point{}, side)
		return part
	case *image.Gray:
		part := m.SubImage(squareAt(at, side)).(*image.Gray)
		part.Rect = squareAt(image.Point{}, side)
		return part
	case *image.RGBA:
		part := m.SubImage(squareAt(at, side)).(*image.RGBA)
		part.Rect = squareAt(image.Point{}, side)
		return part
	}
	return img
}

func squareAt(at image.Point, side int) image.Rectangle {
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(side, side))}
}
