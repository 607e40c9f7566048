// Package webp writes WebP files (RFC 9649): lossy ones, with and without
// transparency, by an encoder of VP8 key frames (RFC 6386) that spends its bytes
// where the structural similarity of the picture gains from them, and lossless
// ones. It is plain Go: no C, no WebAssembly, no goroutines.
package webp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"runtime/debug"
)

// MaxSide is the most pixels that a WebP can have in a row or column.
const MaxSide = 1<<14 - 1

// DefaultQuality is what a quality of 0 means.
const DefaultQuality = 75

// Options configure encoding.
type Options struct {
	// Quality is 1 to 100; values beyond are taken as the nearest, 0 as
	// DefaultQuality. Lossless files have no use for it.
	Quality int

	// Lossless keeps every pixel as it is. A picture with a palette always is.
	Lossless bool
}

var (
	// ErrSize is returned for a picture without pixels, or with a side of more than MaxSide of them.
	ErrSize = errors.New("webp: a picture of this size can't be encoded")
	// ErrType is returned for a picture of a type that Append does not take.
	ErrType = errors.New("webp: a picture of this type can't be encoded")
	// ErrLossless is returned for the few pictures that the encoder of lossless files fails at.
	ErrLossless = errors.New("webp: the picture can't be encoded without loss")
)

// Append appends a file of m to dst: an *image.YCbCr in 4:2:0 or 4:4:4 with
// samples of the full range (JFIF), an *image.Gray, an *image.RGBA, whose
// transparency is kept as it is, or an *image.Paletted. A panic of an encoder is
// given as an error. Safe for concurrent use.
func Append(dst []byte, m image.Image, o Options) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = dst, fmt.Errorf("webp: encoder panicked: %v\n%s", v, debug.Stack())
		}
	}()
	size := m.Bounds().Size()
	if size.X < 1 || size.Y < 1 || size.X > MaxSide || size.Y > MaxSide {
		return dst, fmt.Errorf("%w: %dx%d", ErrSize, size.X, size.Y)
	}
	quality := DefaultQuality
	if o.Quality != 0 {
		quality = min(max(o.Quality, 1), 100)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		if m.SubsampleRatio != image.YCbCrSubsampleRatio420 && m.SubsampleRatio != image.YCbCrSubsampleRatio444 {
			return dst, fmt.Errorf("%w: %v", ErrType, m.SubsampleRatio)
		}
	case *image.RGBA:
		if !o.Lossless {
			return appendTransparent(dst, m, quality)
		}
	case *image.Gray:
	case *image.Paletted:
		o.Lossless = true
	default:
		return dst, fmt.Errorf("%w: %T", ErrType, m)
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

// chunk is a part of a file.
type chunk struct {
	id   string
	body []byte
}

// appendFile appends the container of RFC 9649, section 2.4.
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
