package imaging

import (
	"image"
	"math"

	"vitrine/imaging/resize"
)

// Size is one of the sizes that an image is made in: its longer side has Side
// pixels, or fewer where the source has.
type Size struct {
	Name string
	Side int
}

// Sizes are the variants of an image, the main one first. Where a source is too
// small for a size, the variant is the same object as the one before.
var Sizes = [...]Size{{"main", 1600}, {"large", 800}, {"small", 200}}

// fit gives the largest width and height of the same proportions whose longer
// side has at most side pixels, never more than there are.
func fit(width, height, side int) (w, h int) {
	longer := max(width, height)
	if longer <= side {
		return width, height
	}
	ratio := float64(side) / float64(longer)
	scaled := func(n int) int { return max(int(math.Round(float64(n)*ratio)), 1) }
	return scaled(width), scaled(height)
}

// decodedSide is how many pixels the longer side of a JPEG has at least after it
// was decoded at a reduced size: a quarter more than the main variant. From there
// on the result cannot be told from that of a full decoding; with less it can.
const decodedSide = 2000

// scaleSource makes the main picture of a decoded one, as stored: YCbCr 4:2:0, gray
// or premultiplied RGBA, whichever it is nearest to. opaque says that the whole
// source is. What was decoded band by band is scaled already.
func scaleSource(img image.Image, h header, c colours, width, height int) (scaled image.Image, opaque bool) {
	if h.banded() {
		return img, true
	}
	switch m := img.(type) {
	case *image.YCbCr:
		if h.still != nil && !h.still.fills(h) {
			break
		}
		out := scalePlanar(m, h.area(), width, height, h.orientation)
		if h.format == WebP {
			widen(out)
		}
		return out, true
	case *image.Gray, *image.Gray16:
		return scaleGray(m, h.area(), c.deep, width, height), true
	case *image.CMYK:
		if c.transform != nil {
			return scaleInks(m, c.transform, width, height), true
		}
	}
	r := newRaster(img, h.width, h.height, c.deep)
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	resize.Scale(out.Pix, out.Stride, r.source(), resize.Fit(width, r.width), resize.Fit(height, r.height))
	return out, r.opaque
}

// area is what a decoded picture covers in its own pixels; the last column and row
// may do so in part.
type area struct{ width, height float64 }

func (h header) area() area {
	return area{float64(h.width) / float64(h.scale), float64(h.height) / float64(h.scale)}
}

func wholeArea(img image.Image) area {
	size := img.Bounds().Size()
	return area{float64(size.X), float64(size.Y)}
}

func scaleGray(img image.Image, from area, deep *deepTables, width, height int) *image.Gray {
	size := img.Bounds().Size()
	source := resize.Source{Width: size.X, Height: size.Y, Channels: 1}
	switch m := img.(type) {
	case *image.Gray:
		source = resize.Plane(m.Pix, m.Stride, size.X, size.Y, 1)
	case *image.Gray16:
		source.Row = func(y int, buf []byte) []byte {
			row := m.Pix[y*m.Stride : y*m.Stride+2*size.X]
			if deep != nil {
				return deep.narrowGray(buf, row)
			}
			return narrow(buf, row)
		}
	}
	out := image.NewGray(image.Rect(0, 0, width, height))
	x, y := grayAxes(size, from, width, height)
	resize.Scale(out.Pix, out.Stride, source, x, y)
	return out
}

func grayAxes(src image.Point, from area, width, height int) (x, y resize.Axis) {
	return resize.Axis{Dst: width, Src: src.X, Scale: from.width / float64(width), Kernel: resize.Lanczos},
		resize.Axis{Dst: height, Src: src.Y, Scale: from.height / float64(height), Kernel: resize.Lanczos}
}

// scaleDown makes a smaller picture of one that scaleSource or scaleDown made.
func scaleDown(img image.Image, width, height int) image.Image {
	switch m := img.(type) {
	case *image.YCbCr:
		return scalePlanar(m, wholeArea(m), width, height, upright)
	case *image.Gray:
		return scaleGray(m, wholeArea(m), nil, width, height)
	case *image.RGBA:
		out := image.NewRGBA(image.Rect(0, 0, width, height))
		size := m.Rect.Size()
		resize.Scale(out.Pix, out.Stride, resize.Plane(m.Pix, m.Stride, size.X, size.Y, 4),
			resize.Fit(width, size.X), resize.Fit(height, size.Y))
		return out
	}
	return img
}
