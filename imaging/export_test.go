package imaging

import (
	"context"
	"time"
)

// Estimate gives what decoding src is said to allocate at most, in bytes.
func Estimate(src []byte) (int64, error) {
	h, err := readHeader(src)
	return h.decodeBytes, err
}

// Decode decodes src and gives nothing but the error.
func Decode(ctx context.Context, src []byte, limit time.Duration) error {
	format, err := Sniff(src)
	if err != nil {
		return err
	}
	_, err = decode(ctx, src, format, limit)
	return err
}

// Quality estimates a JPEG's quality.
func Quality(src []byte) int { return readJPEGHead(src).quality }

// EXIFOrientation reads a TIFF block.
func EXIFOrientation(tiff []byte) int { return int(exifOrientation(tiff)) }
