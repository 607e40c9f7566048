package webp

import (
	"bytes"
	"image"
	"image/draw"

	"github.com/HugoSmits86/nativewebp"
)

// riffHead is what a file of one chunk begins with.
const riffHead = 20

// appendLossless appends the content of a VP8L chunk (RFC 9649, section 3).
func appendLossless(dst []byte, m image.Image) ([]byte, error) {
	straight := image.NewNRGBA(image.Rectangle{Max: m.Bounds().Size()})
	draw.Draw(straight, straight.Rect, m, m.Bounds().Min, draw.Src)
	var file bytes.Buffer
	if err := nativewebp.Encode(&file, straight, nil); err != nil {
		return dst, err
	}
	return append(dst, file.Bytes()[riffHead:]...), nil
}
