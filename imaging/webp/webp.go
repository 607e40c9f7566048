// Package webp encodes WebP files (RFC 9649) in plain Go: lossless ones, and lossy ones
// with and without transparency. The lossy encoder writes VP8 key frames (RFC 6386) and
// spends bytes where they improve the picture's structural similarity most.
//
// It imports no other package of the project. Begin reading with [Append] and encoder.go.
package webp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"runtime/debug"
)

// MaxSide is the maximum width and height of a WebP in pixels.
const MaxSide = 1<<14 - 1

// DefaultQuality is the quality used for 0.
const DefaultQuality = 75

// Options configure encoding.
type Options struct {
	// Quality is 1 to 100. Values outside are clamped; 0 means DefaultQuality. It has
	// no effect on lossless files.
	Quality int

	// Lossless encodes without loss. Pictures with a palette are always lossless.
	Lossless bool
}

var (
	// ErrSize means that the picture is empty or has a side longer than MaxSide.
	ErrSize = errors.New("webp: picture must have sides of 1 to 16383 pixels")
	// ErrType means that Append does not support the picture's type.
	ErrType = errors.New("webp: picture type is not supported")
	// ErrLossless means that the lossless encoder cannot encode the picture, which is rare.
	ErrLossless = errors.New("webp: picture cannot be encoded losslessly")
)

// Append appends m to dst as a WebP file. m is an *image.YCbCr in 4:2:0 or 4:4:4 with
// samples of the full range (JFIF), an *image.Gray, an *image.RGBA, whose
// transparency is kept as it is, or an *image.Paletted. A panic of an
// encoder is returned as an error. It is safe for concurrent use.
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
