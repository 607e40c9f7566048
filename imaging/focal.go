package imaging

import (
	"fmt"
	"math"
)

// Focal is the point of an upright picture that the square crop is centred on. X
// grows from 0 at the left edge to 1, and Y from 0 at the top edge to 1. The
// precision is a thousandth. A nil Focal is the centre.
type Focal struct{ X, Y float64 }

// PerMille returns the point in thousandths of the picture's width and height.
func (f *Focal) PerMille() (x, y int) {
	if f == nil {
		return 500, 500
	}
	round := func(v float64) int { return int(math.Round(1000 * min(max(v, 0), 1))) }
	return round(f.X), round(f.Y)
}

// SquareObject returns the file name of the square crop around the point. Each point
// has a name of its own, because clients may cache an object for ever.
func (f *Focal) SquareObject(format Format) string {
	if f == nil {
		return SquareName + "." + format.Extension()
	}
	x, y := f.PerMille()
	return fmt.Sprintf("%s-%d-%d.%s", SquareName, x, y, format.Extension())
}
