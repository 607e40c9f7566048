package process

import (
	"image"
	"image/color"

	"vitrine/imaging/resize"
)

// planarAxes map the planes of a picture, or of an area of it, to width x height in
// 4:2:0. In the upright result a chroma sample belongs to two luma samples, the first of
// which has an even index. If the number of luma samples is odd and their direction is
// reversed, the chroma grid is shifted by one sample.
type planarAxes struct {
	x, y             resize.Axis
	chromaX, chromaY resize.Axis
}

func newPlanarAxes(src image.Point, ratio image.YCbCrSubsampleRatio, from area, width, height int, o orientation) planarAxes {
	perX, perY := subsampling(ratio)
	return planarAxes{
		x:       resize.Axis{Dst: width, Src: src.X, Scale: from.width / float64(width), Kernel: resize.Lanczos},
		y:       resize.Axis{Dst: height, Src: src.Y, Scale: from.height / float64(height), Kernel: resize.Lanczos},
		chromaX: chromaAxis(width, src.X, from.width, perX, o.mirrorsX()),
		chromaY: chromaAxis(height, src.Y, from.height, perY, o.mirrorsY()),
	}
}

// scalePlanar scales an area of a YCbCr picture with any subsampling to width x height in
// 4:2:0. It does not apply the orientation.
func scalePlanar(src *image.YCbCr, from area, width, height int, o orientation) *image.YCbCr {
	a := newPlanarAxes(src.Rect.Size(), src.SubsampleRatio, from, width, height, o)
	dst := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	resize.Scale(dst.Y, dst.YStride, resize.Plane(src.Y, src.YStride, a.x.Src, a.y.Src, 1), a.x, a.y)
	resize.Scale(dst.Cb, dst.CStride, resize.Plane(src.Cb, src.CStride, a.chromaX.Src, a.chromaY.Src, 1), a.chromaX, a.chromaY)
	resize.Scale(dst.Cr, dst.CStride, resize.Plane(src.Cr, src.CStride, a.chromaX.Src, a.chromaY.Src, 1), a.chromaX, a.chromaY)
	return dst
}

// chromaAxis maps the chroma of src luma samples, of which per share a chroma sample and
// the first length are used, to the chroma of dst luma samples, of which two share one.
func chromaAxis(dst, src int, length float64, per int, backwards bool) resize.Axis {
	ratio := length / float64(dst) / float64(per)
	axis := resize.Axis{Dst: (dst + 1) / 2, Src: (src + per - 1) / per, Scale: 2 * ratio}
	if backwards && dst%2 == 1 {
		axis.Offset = -ratio
	}
	return axis
}

// subsampling returns how many luma samples share a chroma sample, across and down.
func subsampling(ratio image.YCbCrSubsampleRatio) (x, y int) {
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// toPlanar converts an opaque picture to YCbCr.
func toPlanar(m *image.RGBA) *image.YCbCr {
	out := image.NewYCbCr(m.Rect, image.YCbCrSubsampleRatio444)
	for i := range out.Y {
		p := (*[4]byte)(m.Pix[4*i:])
		out.Y[i], out.Cb[i], out.Cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
	}
	return out
}

// toFullRange maps the limited range of a lossy WebP's planes (16 to 235 for luma, 16 to
// 240 for chroma, ITU-R BT.601) to the full range of JPEG. The decoder of x/image
// returns the stored values.
func toFullRange(m *image.YCbCr) {
	for i, v := range m.Y {
		m.Y[i] = fullLuma[v]
	}
	for i, v := range m.Cb {
		m.Cb[i] = fullChroma[v]
	}
	for i, v := range m.Cr {
		m.Cr[i] = fullChroma[v]
	}
}

var (
	fullLuma   = rangeTable(16, 219, 0)
	fullChroma = rangeTable(128, 224, 128)
)

// rangeTable returns a table that maps from+k*span/255 to to+k.
func rangeTable(from, span, to int) (table [256]byte) {
	for i := range table {
		scaled := (i - from) * 255 * 2
		if scaled < 0 {
			scaled -= span
		} else {
			scaled += span
		}
		table[i] = byte(min(max(to+scaled/(2*span), 0), 255))
	}
	return table
}
