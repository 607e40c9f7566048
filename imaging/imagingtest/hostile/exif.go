package hostile

import (
	"bytes"
	"encoding/binary"
	"sync"

	"vitrine/imaging/imagingtest"
)

// entry is an entry of a TIFF directory: a value of four bytes, or an offset.
type entry struct {
	tag, kind uint16
	count     uint32
	content   uint32
}

// The tags that link directories, and the kinds of values (TIFF 6.0, section 2).
const (
	tagOrientation = 0x0112
	tagExif        = 0x8769
	tagGPS         = 0x8825
	tagInterop     = 0xa005
	kindASCII      = 2
	kindShort      = 3
	kindLong       = 4
	kindRational   = 5
)

// tiff returns directories one after another. next of each is the offset of its successor.
func tiff(order binary.AppendByteOrder, first uint32, directories ...directory) []byte {
	out := []byte("MM\x00*")
	if order == binary.LittleEndian {
		out = []byte("II*\x00")
	}
	out = order.AppendUint32(out, first)
	for _, d := range directories {
		out = order.AppendUint16(out, d.count)
		for _, e := range d.entries {
			out = order.AppendUint16(out, e.tag)
			out = order.AppendUint16(out, e.kind)
			out = order.AppendUint32(out, e.count)
			out = order.AppendUint32(out, e.content)
		}
		out = order.AppendUint32(out, d.next)
	}
	return out
}

type directory struct {
	count   uint16 // the claimed number of entries
	entries []entry
	next    uint32
}

func turned(orientation uint32) entry { return entry{tagOrientation, kindShort, 1, orientation << 16} }

// Whereabouts returns a TIFF block with an orientation, the [Marker] as description, and a
// position on earth.
func Whereabouts(orientation int) []byte {
	const gps, text = 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 4*12 + 4
	places := uint32(text + len(Marker))
	out := tiff(binary.BigEndian, 8,
		directory{3, []entry{{0x010e, kindASCII, uint32(len(Marker)), text}, turned(uint32(orientation)), {tagGPS, kindLong, 1, gps}}, 0},
		directory{4, []entry{
			{1, kindASCII, 2, 'N' << 24}, {2, kindRational, 3, places},
			{3, kindASCII, 2, 'E' << 24}, {4, kindRational, 3, places + 24},
		}, 0})
	out = append(out, Marker...)
	for _, v := range []uint32{51, 1, 28, 1, 40, 1, 0, 1, 0, 1, 5, 1} {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return out
}

// EXIF returns TIFF blocks with false contents. None of them has a valid orientation.
func EXIF() []File {
	big, little := binary.BigEndian, binary.LittleEndian
	one := func(e entry) []byte { return tiff(big, 8, directory{1, []entry{e}, 0}) }
	var chain []directory // each but the last names the next
	for i := range 1000 {
		chain = append(chain, directory{0, nil, uint32(8 + 6*(i+1))})
	}
	var crossed []directory // two that name each other
	for _, next := range []uint32{26, 8} {
		crossed = append(crossed, directory{1, []entry{{tagExif, kindLong, 1, next}}, next})
	}
	return []File{
		{Name: "directory that follows itself", Body: tiff(big, 8, directory{1, []entry{{tagExif, kindLong, 1, 8}}, 8})},
		{Name: "directories that hold themselves", Body: imagingtest.EXIFLoop()},
		{Name: "directories that follow each other", Body: tiff(little, 8, crossed...)},
		{Name: "chain of a thousand", Body: tiff(big, 8, chain...)},
		{Name: "directory inside the header", Body: tiff(big, 0)},
		{Name: "directory beyond the end", Body: tiff(big, 0x7fffffff)},
		{Name: "directory at the largest offset", Body: tiff(little, 0xffffffff)},
		{Name: "directory at the end", Body: tiff(big, 8)},
		{Name: "65,535 entries of none", Body: tiff(big, 8, directory{0xffff, nil, 0})},
		{Name: "count that overflows", Body: one(entry{tagOrientation, kindShort, 0xffffffff, 6 << 16})},
		{Name: "no values", Body: one(entry{tagOrientation, kindShort, 0, 6 << 16})},
		{Name: "orientation 0", Body: one(turned(0))},
		{Name: "orientation 9", Body: one(turned(9))},
		{Name: "orientation 65,535", Body: one(turned(0xffff))},
		{Name: "orientation as text", Body: one(entry{tagOrientation, kindASCII, 1, '6' << 24})},
		{Name: "orientation as a fraction", Body: one(entry{tagOrientation, kindRational, 1, 8})},
		{Name: "orientation of an unknown kind", Body: one(entry{tagOrientation, 0xffff, 1, 6 << 16})},
		{Name: "orientation in another directory", Body: tiff(big, 8, directory{0, nil, 14}, directory{1, []entry{turned(6)}, 0})},
		{Name: "interoperability in itself", Body: one(entry{tagInterop, kindLong, 1, 8})},
		{Name: "nothing but the order", Body: []byte("MM")},
		{Name: "of zeros", Body: make([]byte, 64)},
		{Name: "of ones", Body: bytes.Repeat([]byte{0xff}, 64)},
	}
}

// WithEXIF returns a small valid picture with that TIFF block for each format that can hold one.
func WithEXIF(block []byte) map[string][]byte {
	bare := withoutEXIF()
	return map[string][]byte{
		"jpeg": imagingtest.WithEXIF(bare["jpeg"], block),
		"png":  imagingtest.WithPNGChunk(bare["png"], "eXIf", block),
		"webp": imagingtest.WithWebPChunk(bare["webp"], "EXIF", block),
	}
}

var withoutEXIF = sync.OnceValue(func() map[string][]byte {
	m := imagingtest.Photo(20, 12, 1)
	webp := imagingtest.WebPWithEXIF(imagingtest.WebP(m), m.Rect.Size(), 1)
	return map[string][]byte{
		"jpeg": imagingtest.JPEG(m, 80, 1), "png": imagingtest.PNG(m), "webp": webp[:len(webp)-8-len(imagingtest.EXIF(1))],
	}
})
