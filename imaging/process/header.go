package process

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	stdjpeg "image/jpeg"
	"image/png"

	"golang.org/x/image/webp"

	"vitrine/imaging"
	"vitrine/imaging/icc"
	"vitrine/imaging/jpeg"
	"vitrine/imaging/process/colour"
)

// Limits bound the size of the pictures that are decoded. A zero field means its
// default.
type Limits struct {
	MaxPixels int64 // width times height; 40,000,000
	MaxSide   int   // of width and height; 12,000
}

func (l Limits) withDefaults() Limits {
	if l.MaxPixels <= 0 {
		l.MaxPixels = 40_000_000
	}
	if l.MaxSide <= 0 {
		l.MaxSide = 12_000
	}
	return l
}

// check returns an error for a size outside the limits.
func (l Limits) check(width, height int) error {
	switch {
	case width <= 0 || height <= 0:
		return refuse(imaging.CodeCorruptImage, fmt.Sprintf("the image has %d x %d pixels", width, height), nil)
	case width > l.MaxSide || height > l.MaxSide:
		return refuse(imaging.CodeImageTooLarge, fmt.Sprintf("the image has %d x %d pixels; the limit is %d per side",
			width, height, l.MaxSide), nil)
	case int64(width)*int64(height) > l.MaxPixels:
		return refuse(imaging.CodeImageTooLarge, fmt.Sprintf("the image has %d x %d pixels; the limit is %d pixels in total",
			width, height, l.MaxPixels), nil)
	}
	return nil
}

// header describes a picture file before its pixels are decoded.
type header struct {
	format        imaging.Format
	width, height int // as stored, before the orientation is applied
	orientation   orientation
	quality       int  // of a JPEG, 1 to 100; 0 if it is unknown
	lossless      bool // the file stores every pixel exactly
	animated      bool // the file has more frames than the decoded one
	colours       colour.Source

	// How to decode the picture.
	jpeg        jpeg.Header
	standard    bool  // a JPEG that image/jpeg decodes
	scale       int   // the decoded picture has width/scale by height/scale pixels
	decodeBytes int64 // the most that decoding allocates, without the source
	still       *webpStill

	output
}

// readHeader reads the format and the size of a picture without decoding it. Its
// allocations do not depend on what the file claims.
func readHeader(src []byte) (header, error) {
	format, err := imaging.Sniff(src)
	if err != nil {
		return header{}, refuse(imaging.CodeUnsupportedFormat, err.Error(), nil)
	}
	h := header{format: format, orientation: upright, scale: 1}
	switch format {
	case imaging.JPEG:
		return h, h.readJPEG(src)
	case imaging.WebP:
		head := readWebPHead(src)
		if head.broken {
			return header{}, refuse(imaging.CodeCorruptImage, "the image is damaged or incomplete", nil)
		}
		if head.still != nil {
			h.useStill(head)
			return h, nil
		}
	}
	var config image.Config
	switch format {
	case imaging.PNG:
		config, err = png.DecodeConfig(newPNGReader(src))
	case imaging.GIF:
		config, err = gif.DecodeConfig(bytes.NewReader(src))
	case imaging.WebP:
		config, err = webp.DecodeConfig(bytes.NewReader(src))
	}
	if err != nil {
		return header{}, undecodable(err)
	}
	h.width, h.height = config.Width, config.Height
	h.inspect(src)
	return h, nil
}

// inspect fills in what the decoders' own configuration does not contain.
func (h *header) inspect(src []byte) {
	switch h.format {
	case imaging.PNG:
		head := readPNGHead(src)
		h.orientation, h.lossless, h.animated = head.orientation, true, head.animated
		h.decodeBytes = head.decodeBytes(h.width, h.height)
		h.colours = colour.Source{Space: head.space(), PNG: head.colours, Deep: head.depth == 16}
	case imaging.GIF:
		// The decoder reorders an interlaced frame through a copy.
		h.lossless, h.animated = true, gifAnimated(src)
		h.decodeBytes = 2 * int64(h.width) * int64(h.height)
	case imaging.WebP:
		head := readWebPHead(src)
		h.orientation, h.lossless = head.orientation, head.lossless
		h.decodeBytes = head.decodeBytes(h.width, h.height, len(src))
		h.colours = colour.Source{Space: icc.RGB, Profile: head.profile}
	}
}

// refuse returns a permanent failure: the picture itself is at fault.
func refuse(code imaging.Code, detail string, cause error) *imaging.Error {
	return &imaging.Error{Code: code, Stage: imaging.StageDecode, Detail: detail, Err: cause}
}

// undecodable distinguishes features that the decoders do not support from damage.
func undecodable(err error) *imaging.Error {
	var jpegFeature stdjpeg.UnsupportedError
	var pngFeature png.UnsupportedError
	if errors.As(err, &jpegFeature) || errors.As(err, &pngFeature) {
		return refuse(imaging.CodeUnsupportedFormat, "the image uses a rare feature of its format that is not supported", err)
	}
	return refuse(imaging.CodeCorruptImage, "the image is damaged or incomplete", err)
}
