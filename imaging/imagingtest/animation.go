package imagingtest

import (
	"encoding/binary"
	"image"
	"image/color/palette"
	"image/gif"
)

// Frame is one picture of an animated WebP: a complete WebP file and its position on the
// canvas, whose coordinates must be even.
type Frame struct {
	At   image.Rectangle
	File []byte
}

// AnimatedWebP returns an animated WebP of the frames.
func AnimatedWebP(canvas image.Point, frames ...Frame) []byte {
	const animated, alpha = 0x02, 0x10
	extended := []byte{animated | alpha, 0, 0, 0}
	extended = put24(put24(extended, canvas.X-1), canvas.Y-1)
	chunks := [][]byte{WebPChunk("VP8X", extended), WebPChunk("ANIM", make([]byte, 6))}
	for _, f := range frames {
		content := put24(put24(nil, f.At.Min.X/2), f.At.Min.Y/2)
		content = put24(put24(content, f.At.Dx()-1), f.At.Dy()-1)
		content = append(put24(content, 100), 0) // milliseconds, flags
		chunks = append(chunks, WebPChunk("ANMF", append(content, bitstream(f.File)...)))
	}
	return WebPOf(chunks...)
}

// AnimatedFrom replaces the pixels of an extended WebP by frames.
func AnimatedFrom(extended []byte, frames ...Frame) []byte {
	size := image.Pt(1+get24(extended[24:]), 1+get24(extended[27:]))
	made := AnimatedWebP(size, frames...)
	head, profile := made[12:12+8+10], extended[30:]
	head[8] |= extended[20]
	profile = profile[:8+binary.LittleEndian.Uint32(profile[4:])+binary.LittleEndian.Uint32(profile[4:])&1]
	return WebPOf(head, profile, made[30:])
}

func get24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// bitstream returns the chunks of a WebP that hold pixels and alpha.
func bitstream(file []byte) (out []byte) {
	for rest := file[12:]; len(rest) >= 8; {
		size := 8 + int(binary.LittleEndian.Uint32(rest[4:]))
		size += size & 1
		if name := string(rest[:4]); name == "ALPH" || name == "VP8 " || name == "VP8L" {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	return out
}

// WithAlpha adds an uncompressed alpha plane to a lossy WebP of w x h pixels.
func WithAlpha(lossy []byte, w, h int, alpha func(x, y int) byte) []byte {
	const hasAlpha = 0x10
	extended := put24(put24([]byte{hasAlpha, 0, 0, 0}, w-1), h-1)
	plane := []byte{0} // no filter, no compression
	for i := range w * h {
		plane = append(plane, alpha(i%w, i/w))
	}
	return WebPOf(WebPChunk("VP8X", extended), WebPChunk("ALPH", plane), lossy[12:])
}

func put24(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

// APNG adds an animation to a PNG, which becomes the first of its frames. The others are
// empty.
func APNG(file []byte, frames int) []byte {
	w, h := binary.BigEndian.Uint32(file[16:]), binary.BigEndian.Uint32(file[20:])
	control := binary.BigEndian.AppendUint32(nil, 0)
	control = binary.BigEndian.AppendUint32(control, w)
	control = binary.BigEndian.AppendUint32(control, h)
	control = append(control, make([]byte, 14)...)
	out := WithPNGChunk(file, "fcTL", control)
	return WithPNGChunk(out, "acTL", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(frames)), 0))
}

// GIFOf returns a GIF with that many black frames.
func GIFOf(w, h, frames int) []byte {
	g := new(gif.GIF)
	for range frames {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, w, h), palette.Plan9))
		g.Delay = append(g.Delay, 10)
	}
	return encodeGIF(g)
}
