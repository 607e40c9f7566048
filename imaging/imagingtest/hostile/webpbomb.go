package hostile

import (
	"encoding/binary"
	"image"
	"math/rand/v2"

	"vitrine/imaging/imagingtest"
)

var webpBombs = []func(size int) File{
	func(int) File { return File{"webp of 18 million pixels", flatWebP(4300, 4300), Ready} },
	func(int) File { return File{"webp of 40 million pixels", flatWebP(6300, 6300), tooLarge} },
	func(int) File {
		lossy := imagingtest.LossyWebPFilled(3200, 3200, 64<<10, make([]byte, 64<<10))
		return File{"webp of alpha of a few bytes", imagingtest.WithPackedAlpha(lossy, flatWebP(3200, 3200)), Ready}
	},
	func(int) File {
		return File{"webp of 40 million pixels without detail", imagingtest.LossyWebPFilled(6300, 6300, 500_000, make([]byte, 200_000)), Ready}
	},
	func(size int) File {
		noise := make([]byte, min(size, 1<<24)-500_100) // the largest size of the format
		if _, err := rand.NewChaCha8([32]byte{1}).Read(noise); err != nil {
			panic(err)
		}
		return File{"webp of 40 million pixels of noise", imagingtest.LossyWebPFilled(6300, 6300, 500_000, noise), Ready}
	},
	func(size int) File {
		chunk := []byte("prVt\x00\x00\x00\x00")
		file := filled(imagingtest.WebP(imagingtest.Photo(40, 30, 1)), 12, size, chunk)
		binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
		return File{"webp of a million chunks", file, Ready}
	},
	func(size int) File {
		dot := imagingtest.Frame{At: image.Rect(0, 0, 1, 1), File: flatWebP(1, 1)}
		one, two := imagingtest.AnimatedWebP(image.Pt(6300, 6300), dot), imagingtest.AnimatedWebP(image.Pt(6300, 6300), dot, dot)
		file := filled(one, len(one), size, two[len(one):])
		binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
		return File{"webp of a hundred thousand frames on a large canvas", file, Ready}
	},
}

// flatWebP returns a lossless WebP of w x h pixels in a few bytes: each code has one symbol and
// therefore no bits. The pixels use the most expensive prediction and two more transforms
// (RFC 9649, section 4).
func flatWebP(w, h int) []byte {
	var b bits
	b.put(0x2f, 8)
	b.put(uint32(w-1), 14)
	b.put(uint32(h-1), 14)
	b.put(1, 1)
	b.put(0, 3)
	const predictor, colour, green = 0, 1, 2
	b.put(1|predictor<<1, 3)
	b.put(7, 3)   // tiles of 512 pixels a side
	b.symbols(11) // the predictor select
	b.put(1|colour<<1, 3)
	b.put(7, 3)
	b.symbols(3)
	b.put(1|green<<1, 3)
	b.put(0, 1) // no more transforms
	b.flat(true, 5)
	return imagingtest.WebPOf(imagingtest.WebPChunk("VP8L", append(b.out, make([]byte, 8)...)))
}

// bits writes a bit stream, lowest bit first.
type bits struct {
	out []byte
	n   int
}

func (b *bits) put(v uint32, n int) {
	for i := range n {
		if b.n%8 == 0 {
			b.out = append(b.out, 0)
		}
		b.out[len(b.out)-1] |= byte(v>>i&1) << (b.n % 8)
		b.n++
	}
}

// symbols writes the picture of a transform whose pixels all have the green value v.
func (b *bits) symbols(v uint32) { b.flat(false, v) }

func (b *bits) flat(topLevel bool, v uint32) {
	b.put(0, 1) // no colour cache
	if topLevel {
		b.put(0, 1) // one group of codes for all pixels
	}
	for range 5 {
		b.put(1|0<<1|1<<2, 3) // a code of one symbol, of eight bits
		b.put(v, 8)
		v = 3
	}
}
