package process

import (
	"image"
	"math"

	"vitrine/imaging"
	"vitrine/imaging/process/colour"
	"vitrine/imaging/resize"
)

// fit returns the largest width and height with the same proportions whose longer side has
// at most side pixels. It never enlarges.
func fit(width, height, side int) (w, h int) {
	longer := max(width, height)
	if longer <= side {
		return width, height
	}
	ratio := float64(side) / float64(longer)
	scaled := func(n int) int { return max(int(math.Round(float64(n)*ratio)), 1) }
	return scaled(width), scaled(height)
}

// decodedSide is the least number of pixels that the longer side of a JPEG keeps when it is
// decoded at a reduced size: a quarter more than the main variant. With fewer pixels the
// result differs visibly from that of a full decoding.
const decodedSide = 2000

// scaleSource scales a decoded picture to its main variant, without applying the
// orientation. The result is YCbCr 4:2:0, gray or premultiplied RGBA, whichever is
// nearest to the source. opaque reports whether the whole source is opaque. A picture that
// was decoded in bands is scaled already.
func scaleSource(img image.Image, h header, c colour.Conversion, width, height int) (scaled image.Image, opaque bool) {
	if h.banded() {
		return img, true
	}
	switch m := img.(type) {
	case *image.YCbCr:
		if h.still != nil && !h.still.fills(h) {
			break
		}
		out := scalePlanar(m, h.area(), width, height, h.orientation)
		if h.format == imaging.WebP {
			toFullRange(out)
		}
		return out, true
	case *image.Gray, *image.Gray16:
		return scaleGray(m, h.area(), c.Deep, width, height), true
	case *image.CMYK:
		if c.Transform != nil {
			return colour.ScaleInks(m, c.Transform, width, height), true
		}
	}
	r := newRaster(img, h.width, h.height, c.Deep)
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	resize.Scale(out.Pix, out.Stride, r.source(), resize.Fit(width, r.width), resize.Fit(height, r.height))
	return out, r.opaque
}

// area is the part of a decoded picture that shows the source, in decoded pixels. The last
// column and row may count in part.
type area struct{ width, height float64 }

// area returns the area of the decoded picture.
func (h header) area() area {
	return area{width: float64(h.width) / float64(h.scale), height: float64(h.height) / float64(h.scale)}
}

// wholeArea returns the area of a picture that is shown completely.
func wholeArea(img image.Image) area {
	size := img.Bounds().Size()
	return area{width: float64(size.X), height: float64(size.Y)}
}

// scaleGray scales an area of a gray picture.
func scaleGray(img image.Image, from area, deep *colour.DeepTables, width, height int) *image.Gray {
	size := img.Bounds().Size()
	source := resize.Source{Width: size.X, Height: size.Y, Channels: 1}
	switch m := img.(type) {
	case *image.Gray:
		source = resize.Plane(m.Pix, m.Stride, size.X, size.Y, 1)
	case *image.Gray16:
		source.Row = func(y int, buf []byte) []byte {
			row := m.Pix[y*m.Stride : y*m.Stride+2*size.X]
			if deep != nil {
				return deep.NarrowGray(buf, row)
			}
			return colour.Narrow(buf, row)
		}
	}
	out := image.NewGray(image.Rect(0, 0, width, height))
	x, y := grayAxes(size, from, width, height)
	resize.Scale(out.Pix, out.Stride, source, x, y)
	return out
}

// grayAxes map an area of a plane to width x height.
func grayAxes(src image.Point, from area, width, height int) (x, y resize.Axis) {
	return resize.Axis{Dst: width, Src: src.X, Scale: from.width / float64(width), Kernel: resize.Lanczos},
		resize.Axis{Dst: height, Src: src.Y, Scale: from.height / float64(height), Kernel: resize.Lanczos}
}

// scaleDown scales a picture that scaleSource or scaleDown returned.
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
