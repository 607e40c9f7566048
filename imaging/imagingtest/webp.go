package imagingtest

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/HugoSmits86/nativewebp"
)

// WebP returns a lossless WebP.
func WebP(img image.Image) []byte {
	var out bytes.Buffer
	if err := nativewebp.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// WebPWithEXIF adds an orientation to a WebP of one chunk of lossless data.
func WebPWithEXIF(file []byte, size image.Point, orientation int) []byte {
	const hasEXIF = 0x08
	extended := put24(put24([]byte{hasEXIF, 0, 0, 0}, size.X-1), size.Y-1)
	return WebPOf(WebPChunk("VP8X", extended), file[12:], WebPChunk("EXIF", EXIF(orientation)))
}

// LossyWebP returns a lossy WebP of at most 64 x 64 pixels whose samples are all 128.
func LossyWebP(w, h int) []byte {
	const bytes = 512
	return LossyWebPFilled(w, h, bytes, make([]byte, bytes))
}

// LossyWebPFilled returns a lossy WebP of w x h pixels whose first partition has first zeros
// and whose second partition is second. Zeros make a VP8 key frame without any difference
// from the prediction (RFC 6386); the boolean decoder needs few of them for many decisions.
func LossyWebPFilled(w, h, first int, second []byte) []byte {
	frame := []byte{byte(first << 5), byte(first >> 3), byte(first >> 11), 0x9d, 0x01, 0x2a}
	frame[0] |= 1 << 4 // shown; a key frame of version 0
	frame = binary.LittleEndian.AppendUint16(frame, uint16(w))
	frame = binary.LittleEndian.AppendUint16(frame, uint16(h))
	frame = append(frame, make([]byte, first)...)
	return WebPOf(WebPChunk("VP8 ", append(frame, second...)))
}

// WebPChunk returns a WebP chunk.
func WebPChunk(name string, content []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content)))
	out = append(out, content...)
	return append(out, make([]byte, len(content)&1)...)
}

// WebPOf returns the WebP of the chunks.
func WebPOf(chunks ...[]byte) []byte {
	content := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(content))), content...)
}

// WithWebPChunk adds a chunk to the end of a WebP.
func WithWebPChunk(file []byte, name string, content []byte) []byte {
	return WebPOf(file[12:], WebPChunk(name, content))
}

// WithPackedAlpha adds a compressed alpha plane to a lossy WebP: the green of a lossless one of
// the same size.
func WithPackedAlpha(lossy, lossless []byte) []byte {
	const hasAlpha, packed, header = 0x10, 1, 5
	stream := lossless[12+8 : 12+8+binary.LittleEndian.Uint32(lossless[16:])]
	size := binary.LittleEndian.Uint32(stream[1:])
	extended := put24(put24([]byte{hasAlpha, 0, 0, 0}, int(size&0x3fff)), int(size>>14&0x3fff))
	return WebPOf(WebPChunk("VP8X", extended), WebPChunk("ALPH", append([]byte{packed}, stream[header:]...)), lossy[12:])
}
