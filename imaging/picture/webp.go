package picture

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/HugoSmits86/nativewebp"
)

// WebP writes a lossless WebP.
func WebP(img image.Image) []byte {
	var out bytes.Buffer
	if err := nativewebp.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// WebPWithEXIF puts an orientation into a WebP of one chunk of lossless data.
func WebPWithEXIF(file []byte, size image.Point, orientation int) []byte {
	const hasEXIF = 0x08
	extended := make([]byte, 10)
	extended[0] = hasEXIF
	put24 := func(b []byte, v int) { b[0], b[1], b[2] = byte(v), byte(v>>8), byte(v>>16) }
	put24(extended[4:], size.X-1)
	put24(extended[7:], size.Y-1)
	return riff(riffChunk("VP8X", extended), file[12:], riffChunk("EXIF", EXIF(orientation)))
}

// LossyWebP gives a lossy WebP whose samples are all 128, of at most 64 x 64
// pixels. Zeros alone make a VP8 key frame that codes no difference from the
// prediction anywhere (RFC 6386): the boolean decoder takes them for any number of
// zero bits.
func LossyWebP(w, h int) []byte {
	const first = 512 // bytes of the first partition
	frame := []byte{first << 5 & 0xff, first >> 3 & 0xff, first >> 11, 0x9d, 0x01, 0x2a}
	frame[0] |= 1 << 4 // shown; a key frame of version 0
	frame = binary.LittleEndian.AppendUint16(frame, uint16(w))
	frame = binary.LittleEndian.AppendUint16(frame, uint16(h))
	frame = append(frame, make([]byte, 2*first)...)
	return riff(riffChunk("VP8 ", frame))
}

func riffChunk(name string, content []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content)))
	out = append(out, content...)
	return append(out, make([]byte, len(content)&1)...)
}

func riff(chunks ...[]byte) []byte {
	content := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(content))), content...)
}

// WithWebPChunk puts a chunk at the end of a WebP.
func WithWebPChunk(file []byte, name string, content []byte) []byte {
	return riff(file[12:], riffChunk(name, content))
}
