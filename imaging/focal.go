package imaging

import (
	"fmt"
	"image"
	"math"
)

// Focal is the point of an upright picture that a crop is to show, from 0 at the
// left and the top to 1. It counts to a thousandth. A nil Focal is the centre.
type Focal struct{ X, Y float64 }

// perMille gives the point in thousandths.
func (f *Focal) perMille() (x, y int) {
	if f == nil {
		return 500, 500
	}
	round := func(v float64) int { return int(math.Round(1000 * min(max(v, 0), 1))) }
	return round(f.X), round(f.Y)
}

// squareName is the name of the square crop's rendition and variant.
const squareName = "square"

// object is the file name of the square crop, which another point never gets: what
// was stored once is cached for ever.
func (f *Focal) object(format Format) string {
	if f == nil {
		return squareName + "." + format.Extension()
	}
	x, y := f.perMille()
	return fmt.Sprintf("%s-%d-%d.%s", squareName, x, y, format.Extension())
}

// crop gives the largest square of a picture that has the focal point nearest to
// its middle. It shares the picture's memory and starts at (0, 0). The chroma of
// 4:2:0 has a sample for two, so its squares begin at even ones.
func (f *Focal) crop(img image.Image) image.Image {
	size := img.Bounds().Size()
	side := min(size.X, size.Y)
	x, y := f.perMille()
	start := func(perMille, length int) int {
		return min(max((perMille*length+500)/1000-side/2, 0), length-side)
	}
	at := image.Pt(start(x, size.X), start(y, size.Y))
	switch m := img.(type) {
	case *image.YCbCr:
		at.X, at.Y = at.X&^1, at.Y&^1
		part := m.SubImage(cropAt(at, side)).(*image.YCbCr)
		part.Rect = cropAt(image.Point{}, side)
		return part
	case *image.Gray:
		part := m.SubImage(cropAt(at, side)).(*image.Gray)
		part.Rect = cropAt(image.Point{}, side)
		return part
	case *image.RGBA:
		part := m.SubImage(cropAt(at, side)).(*image.RGBA)
		part.Rect = cropAt(image.Point{}, side)
		return part
	}
	return img
}

func cropAt(at image.Point, side int) image.Rectangle {
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(side, side))}
}
