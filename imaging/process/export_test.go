package process

import (
	"context"
	"errors"
	"image"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/jpeg"
	"vitrine/imaging/resize"
)

// Estimate returns the estimate of what decoding src allocates, in bytes.
func Estimate(src []byte) (int64, error) {
	h, err := readHeader(src)
	return h.decodeBytes, err
}

// WorkBytes returns the estimate of what decoding and transforming src needs, in bytes.
func WorkBytes(src []byte) (int64, error) {
	h, err := readHeader(src)
	return h.workBytes(), err
}

// Decode decodes src and returns only the error.
func Decode(ctx context.Context, src []byte, limit time.Duration) error {
	h, err := readHeader(src)
	if err != nil {
		return err
	}
	d := &decoder{src: src, left: limit}
	drop := func(image.Image) error { return nil }
	_, err = d.decode(ctx, h, drop)
	if errors.Is(err, jpeg.ErrUnsupported) {
		h.useStandardDecoder()
		_, err = d.decode(ctx, h, drop)
	}
	return err
}

// Reference makes the variants of a JPEG with image/jpeg, which decodes at full size.
func Reference(ctx context.Context, src []byte, quality int) (*Processed, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	h.output = output{ssimTarget: defaultSSIMTarget, quality: quality}
	h.useStandardDecoder()
	return New(Config{}).admit(ctx, &decoder{src: src, left: time.Minute}, h)
}

// Quality returns the estimate of a JPEG's quality.
func Quality(src []byte) int {
	h, err := readHeader(src)
	if err != nil {
		return 0
	}
	return h.quality
}

// EXIFOrientation returns the orientation in a TIFF block.
func EXIFOrientation(tiff []byte) int { return int(exifOrientation(tiff)) }

// Whole makes the variants of a JPEG without bands: it decodes all planes first.
func Whole(ctx context.Context, src []byte) (*Processed, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	h.ssimTarget = defaultSSIMTarget
	img, err := jpeg.Decode(src, jpeg.Options{Scale: h.scale})
	if err != nil {
		return nil, err
	}
	width, height := fit(h.width, h.height, imaging.Sizes[0].Side)
	switch m := img.(type) {
	case *image.Gray:
		img = scaleGray(m, h.area(), nil, width, height)
	case *image.YCbCr:
		img = scalePlanar(m, h.area(), width, height, h.orientation)
	}
	return transform(ctx, img, h, src)
}

// ScaledForTest returns the scaled picture that a variant is encoded from.
func ScaledForTest(m image.Image, width, height int) image.Image {
	r := newRaster(m, m.Bounds().Dx(), m.Bounds().Dy(), nil)
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	resize.Scale(out.Pix, out.Stride, r.source(), resize.Fit(width, r.width), resize.Fit(height, r.height))
	return out
}

// LeastBudget returns the smallest memory budget, in MiB, with which a source gets a
// lossless or transparent WebP of the main size.
func LeastBudget(src []byte) (mib int64, err error) {
	h, err := readHeader(src)
	if err != nil {
		return 0, err
	}
	w, ht := fit(h.width, h.height, imaging.Sizes[0].Side)
	for mib = 1; ; mib++ {
		h.output = output{Options: Options{WebP: []string{imaging.Sizes[0].Name}}}
		h.fitWebP(New(Config{MemoryBudget: mib << 20}).work.Total())
		if h.packed == int64(w)*int64(ht) {
			return mib, nil
		}
	}
}
