package webp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"

	"github.com/HugoSmits86/nativewebp"
)

// appendTransparent appends a file with lossy colours and lossless transparency.
func appendTransparent(dst []byte, m *image.RGBA, quality int) ([]byte, error) {
	planar, alpha := split(m)
	body, err := encodeVP8(planar, quality)
	if err != nil {
		return dst, err
	}
	if alpha == nil {
		return appendFile(dst, chunk{"VP8 ", body}), nil
	}
	packed := packAlpha(alpha)
	size := m.Rect.Size()
	head := make([]byte, 10)
	head[0] = 1 << 4 // the file has an alpha chunk
	put24(head[4:], size.X-1)
	put24(head[7:], size.Y-1)
	return appendFile(dst, chunk{"VP8X", head}, chunk{"ALPH", packed}, chunk{"VP8 ", body}), nil
}

// put24 stores v in three bytes, little-endian.
func put24(b []byte, v int) { b[0], b[1], b[2] = byte(v), byte(v>>8), byte(v>>16) }

// packAlpha returns the content of an alpha chunk: the plane as the green channel of a lossless picture without its header
// (RFC 9649, section 2.7.1.2), or uncompressed if that fails.
func packAlpha(alpha *image.Alpha) []byte {
	green := image.NewNRGBA(alpha.Rect)
	for i, a := range alpha.Pix {
		green.Pix[4*i+1], green.Pix[4*i+3] = a, 255
	}
	const losslessHead, uncompressed, compressed = 5, 0, 1
	stream, err := encodeLossless(green)
	if err != nil {
		return append([]byte{uncompressed}, alpha.Pix...)
	}
	stream[losslessHead-1] = compressed
	return stream[losslessHead-1:]
}

// split returns the colours of a picture, in 4:4:4, and its alpha plane, which is nil for an opaque picture.
func split(m *image.RGBA) (*image.YCbCr, *image.Alpha) {
	size := m.Rect.Size()
	bounds := image.Rectangle{Max: size}
	straight := make([]byte, 4*size.X*size.Y)
	var alpha *image.Alpha
	for y := range size.Y {
		row := straight[4*y*size.X:][:4*size.X]
		copy(row, m.Pix[y*m.Stride:])
		for x := 0; x < len(row); x += 4 {
			p := (*[4]byte)(row[x:])
			a := uint32(p[3])
			if a == 255 {
				continue
			}
			if alpha == nil {
				alpha = image.NewAlpha(bounds)
				for i := range alpha.Pix {
					alpha.Pix[i] = 255
				}
			}
			alpha.Pix[y*size.X+x/4] = p[3]
			for k := range 3 {
				if a > 0 {
					p[k] = byte(min((uint32(p[k])*255+a/2)/a, 255))
				}
			}
		}
	}
	if alpha != nil {
		fillHidden(straight, size)
	}
	whole := image.NewYCbCr(bounds, image.YCbCrSubsampleRatio444)
	for i := range whole.Y {
		p := (*[4]byte)(straight[4*i:])
		whole.Y[i], whole.Cb[i], whole.Cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
	}
	return whole, alpha
}

// fillHidden replaces the colours of fully transparent pixels with colours that take few bytes: the mean of the visible pixels
// in their macroblock, or of the previous macroblock that has any.
func fillHidden(pix []byte, size image.Point) {
	var mean [3]byte
	for y := 0; y < size.Y; y += 16 {
		for x := 0; x < size.X; x += 16 {
			tile := image.Rect(x, y, min(x+16, size.X), min(y+16, size.Y))
			if m, ok := meanSeen(pix, size.X, tile); ok {
				mean = m
			}
			for v := tile.Min.Y; v < tile.Max.Y; v++ {
				for u := tile.Min.X; u < tile.Max.X; u++ {
					if p := pix[4*(v*size.X+u):]; p[3] == 0 {
						copy(p, mean[:])
					}
				}
			}
		}
	}
}

// meanSeen returns the mean colour of the visible pixels in the tile, or false if it has none.
func meanSeen(pix []byte, width int, tile image.Rectangle) (mean [3]byte, ok bool) {
	var sum [3]int
	n := 0
	for y := tile.Min.Y; y < tile.Max.Y; y++ {
		for x := tile.Min.X; x < tile.Max.X; x++ {
			if p := pix[4*(y*width+x):]; p[3] > 0 {
				for k := range sum {
					sum[k] += int(p[k])
				}
				n++
			}
		}
	}
	if n == 0 {
		return mean, false
	}
	for k := range mean {
		mean[k] = byte(sum[k] / n)
	}
	return mean, true
}

// encodeLossless returns the content of a VP8L chunk (RFC 9649, section 3). The library panics on Huffman trees that it can't
// write: those of a single transparent pixel, and those of noise, where all values are equally frequent.
func encodeLossless(m image.Image) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, fmt.Errorf("%w: %v", ErrLossless, v)
		}
	}()
	var file bytes.Buffer
	if err := nativewebp.Encode(&file, m, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLossless, err)
	}
	const length, head = 16, 20
	body := file.Bytes()[head:]
	return body[:binary.LittleEndian.Uint32(file.Bytes()[length:])], nil
}
