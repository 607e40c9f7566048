package process

import (
	"image"

	"vitrine/imaging"
	"vitrine/imaging/resize"
)

// bandScaler scales a JPEG to its main variant while it is decoded, so that the decoded
// picture is never in memory as a whole. The result equals that of [scaleSource] for the
// whole picture.
type bandScaler struct {
	header        header
	width, height int         // of the main variant, as stored
	main          image.Image // *image.YCbCr or *image.Gray; nil before the first band
	planes        []*resize.Scaler
}

func newBandScaler(h header) *bandScaler {
	b := &bandScaler{header: h}
	b.width, b.height = fit(h.width, h.height, imaging.Sizes[0].Side)
	return b
}

// banded reports whether the picture is decoded in bands.
func (h header) banded() bool { return h.format == imaging.JPEG && !h.standard }

// take scales the next band; bands come from top to bottom.
func (b *bandScaler) take(band image.Image) error {
	if b.main == nil {
		b.begin(band)
	}
	rows := band.Bounds().Dy()
	switch m := band.(type) {
	case *image.Gray:
		writeRows(b.planes[0], m.Pix, m.Stride, rows)
	case *image.YCbCr:
		_, per := subsampling(m.SubsampleRatio)
		writeRows(b.planes[0], m.Y, m.YStride, rows)
		writeRows(b.planes[1], m.Cb, m.CStride, (rows+per-1)/per)
		writeRows(b.planes[2], m.Cr, m.CStride, (rows+per-1)/per)
	}
	return nil
}

// begin makes a scaler for each plane of the first band.
func (b *bandScaler) begin(band image.Image) {
	from := b.header.area()
	size := image.Pt(band.Bounds().Dx(), (b.header.height+b.header.scale-1)/b.header.scale)
	bounds := image.Rect(0, 0, b.width, b.height)
	switch m := band.(type) {
	case *image.Gray:
		out := image.NewGray(bounds)
		x, y := grayAxes(size, from, b.width, b.height)
		b.main, b.planes = out, []*resize.Scaler{resize.NewScaler(out.Pix, out.Stride, 1, x, y)}
	case *image.YCbCr:
		out := image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)
		a := newPlanarAxes(size, m.SubsampleRatio, from, b.width, b.height, b.header.orientation)
		b.main, b.planes = out, []*resize.Scaler{
			resize.NewScaler(out.Y, out.YStride, 1, a.x, a.y),
			resize.NewScaler(out.Cb, out.CStride, 1, a.chromaX, a.chromaY),
			resize.NewScaler(out.Cr, out.CStride, 1, a.chromaX, a.chromaY),
		}
	}
}

// writeRows passes rows of a plane to its scaler.
func writeRows(s *resize.Scaler, pix []byte, stride, rows int) {
	for y := range rows {
		s.Write(pix[y*stride:])
	}
}

// close releases the scalers. It may be called more than once.
func (b *bandScaler) close() {
	for _, s := range b.planes {
		s.Close()
	}
	b.planes = nil
}
