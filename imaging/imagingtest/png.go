package imagingtest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
)

// PNG returns a PNG of the standard encoder.
func PNG(img image.Image) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// PNGKind is a kind of PNG. The fields have the names of the specification.
type PNGKind struct {
	Colour     byte // 0 gray, 2 RGB, 4 gray and alpha, 6 RGBA
	Depth      byte // 8 or 16 bits a sample
	Interlaced bool // Adam7
	// Transparent is the colour that a tRNS chunk makes transparent; nil is none.
	Transparent color.Color
	Orientation int // in an eXIf chunk; 0 is none
}

// RarePNG returns a PNG of that kind.
func RarePNG(img image.Image, kind PNGKind) []byte {
	b := img.Bounds()
	header := binary.BigEndian.AppendUint32(nil, uint32(b.Dx()))
	header = binary.BigEndian.AppendUint32(header, uint32(b.Dy()))
	header = append(header, kind.Depth, kind.Colour, 0, 0, 0)
	if kind.Interlaced {
		header[12] = 1
	}
	out := []byte("\x89PNG\r\n\x1a\n")
	out = AppendPNGChunk(out, "IHDR", header)
	if kind.Orientation > 0 {
		out = AppendPNGChunk(out, "eXIf", EXIF(kind.Orientation))
	}
	if kind.Transparent != nil {
		wide := kind
		wide.Depth = 16 // tRNS has two bytes a sample at every depth
		sample := wide.samples(nil, kind.Transparent)
		if kind.Depth == 8 {
			for i := 0; i < len(sample); i += 2 {
				sample[i] = 0
			}
		}
		out = AppendPNGChunk(out, "tRNS", sample)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(kind.rows(img)); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	out = AppendPNGChunk(out, "IDAT", packed.Bytes())
	return AppendPNGChunk(out, "IEND", nil)
}

// rows returns the unfiltered rows of all passes.
func (kind PNGKind) rows(img image.Image) []byte {
	type pass struct{ x, y, dx, dy int }
	passes := []pass{{0, 0, 1, 1}}
	if kind.Interlaced {
		passes = []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	b := img.Bounds()
	var out []byte
	for _, p := range passes {
		if p.x >= b.Dx() {
			continue
		}
		for y := p.y; y < b.Dy(); y += p.dy {
			out = append(out, 0) // no filter
			for x := p.x; x < b.Dx(); x += p.dx {
				out = kind.samples(out, img.At(b.Min.X+x, b.Min.Y+y))
			}
		}
	}
	return out
}

func (kind PNGKind) samples(out []byte, c color.Color) []byte {
	rgb := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	gray := color.Gray16Model.Convert(color.NRGBA64{R: rgb.R, G: rgb.G, B: rgb.B, A: 0xffff}).(color.Gray16).Y
	var list []uint16
	switch kind.Colour {
	case 0:
		list = []uint16{gray}
	case 2:
		list = []uint16{rgb.R, rgb.G, rgb.B}
	case 4:
		list = []uint16{gray, rgb.A}
	case 6:
		list = []uint16{rgb.R, rgb.G, rgb.B, rgb.A}
	}
	for _, v := range list {
		out = append(out, byte(v>>8))
		if kind.Depth == 16 {
			out = append(out, byte(v))
		}
	}
	return out
}

// WithPNGChunk adds a chunk after a PNG's header.
func WithPNGChunk(file []byte, name string, content []byte) []byte {
	const header = 8 + 12 + 13
	out := AppendPNGChunk(append([]byte{}, file[:header]...), name, content)
	return append(out, file[header:]...)
}

// AppendPNGChunk appends a PNG chunk to out.
func AppendPNGChunk(out []byte, name string, content []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(content)))
	start := len(out)
	out = append(append(out, name...), content...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
}
