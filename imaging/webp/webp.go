// Package webp writes WebP files (RFC 9649).
//
// Lossy files, with or without transparency, come from an encoder of VP8 key frames (RFC 6386) that spends bytes where they
// improve the SSIM of the picture most. Lossless files come from nativewebp. The package is pure Go and starts no goroutines.
//
// It imports nothing of the project. Begin with Append; encoder.go has the steps of the lossy encoder.
package webp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"runtime/debug"
)

// maxSide is the longest side, in pixels, of a VP8 or VP8L picture.
const maxSide = 1<<14 - 1

// defaultQuality is the quality that an Options.Quality of 0 selects.
const defaultQuality = 75

// Options configure Append.
type Options struct {
	// Quality ranges from 1 to 100. Values outside are clamped; 0 means 75. Lossless files ignore it.
	Quality int

	// Lossless keeps every pixel unchanged. Pictures with a palette are always lossless.
	Lossless bool
}

// ErrLossless is returned for the few pictures that nativewebp fails to encode.
var ErrLossless = errors.New("webp: lossless encoding failed")

// Append appends a file of m to dst. m is an *image.YCbCr in 4:2:0 or 4:4:4 with samples of the full range (JFIF), an
// *image.Gray, an *image.RGBA, whose transparency is kept without loss, or an *image.Paletted. Append returns dst and an error
// for an empty picture, for one with a side above 16,383 pixels, for other types, which wraps errors.ErrUnsupported, and if
// an encoder panics. It is safe for concurrent use.
func Append(dst []byte, m image.Image, o Options) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = dst, fmt.Errorf("webp: encoder panicked: %v\n%s", v, debug.Stack())
		}
	}()
	size := m.Bounds().Size()
	if size.X < 1 || size.Y < 1 || size.X > maxSide || size.Y > maxSide {
		return dst, fmt.Errorf("webp: cannot encode %dx%d pixels: sides must be 1 to %d", size.X, size.Y, maxSide)
	}
	quality := defaultQuality
	if o.Quality != 0 {
		quality = min(max(o.Quality, 1), 100)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		if m.SubsampleRatio != image.YCbCrSubsampleRatio420 && m.SubsampleRatio != image.YCbCrSubsampleRatio444 {
			return dst, fmt.Errorf("webp: cannot encode %v: %w", m.SubsampleRatio, errors.ErrUnsupported)
		}
	case *image.RGBA:
		if !o.Lossless {
			return appendTransparent(dst, m, quality)
		}
	case *image.Gray:
	case *image.Paletted:
		o.Lossless = true
	default:
		return dst, fmt.Errorf("webp: cannot encode %T: %w", m, errors.ErrUnsupported)
	}
	id, encode := "VP8 ", func() ([]byte, error) { return encodeVP8(m, quality) }
	if o.Lossless {
		id, encode = "VP8L", func() ([]byte, error) { return encodeLossless(m) }
	}
	body, err := encode()
	if err != nil {
		return dst, err
	}
	return appendFile(dst, chunk{id, body}), nil
}

// chunk is a chunk of a file.
type chunk struct {
	id   string
	body []byte
}

// appendFile appends a file of the chunks (RFC 9649, section 2.4).
func appendFile(dst []byte, chunks ...chunk) []byte {
	length := len("WEBP")
	for _, c := range chunks {
		length += 8 + len(c.body) + len(c.body)&1
	}
	dst = append(dst, "RIFF"...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length))
	dst = append(dst, "WEBP"...)
	for _, c := range chunks {
		dst = append(dst, c.id...)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(c.body)))
		dst = append(dst, c.body...)
		if len(c.body)&1 != 0 {
			dst = append(dst, 0)
		}
	}
	return dst
}
