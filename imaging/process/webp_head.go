package process

import (
	"encoding/binary"
	"image"
)

// webpHead describes a WebP by its chunks (RFC 9649, section 2).
type webpHead struct {
	broken      bool // a chunk claims more bytes than the file has
	alpha       bool // has a separate alpha plane
	lossless    bool
	canvas      image.Point
	animated    bool // is a sequence of frames, perhaps of only one
	frames      int
	still       *webpStill // the first frame
	orientation orientation
	profile     []byte // ICC
}

// readWebPHead reads all chunks. The decoder allocates by the sizes that they claim, so a
// broken head must be refused before decoding.
func readWebPHead(src []byte) webpHead {
	head := webpHead{orientation: upright}
	total := uint64(binary.LittleEndian.Uint32(src[4:]))
	if total < 4 || total+8 > uint64(len(src)) {
		head.broken = true
		return head
	}
	for rest := src[12 : 8+total]; len(rest) > 0; {
		if len(rest) < 8 {
			head.broken = true
			return head
		}
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if size > uint64(len(rest)-8) {
			head.broken = true
			return head
		}
		head.take(string(rest[:4]), rest[8:8+size])
		rest = rest[min(8+size+size&1, uint64(len(rest))):]
	}
	if head.animated {
		head.broken = head.still == nil || !head.still.at.In(image.Rectangle{Max: head.canvas})
	}
	return head
}

// take reads a chunk.
func (head *webpHead) take(id string, content []byte) {
	switch id {
	case "VP8X":
		if len(content) == 10 {
			head.animated = content[0]&0x02 != 0
			head.canvas = image.Pt(1+uint24(content[4:]), 1+uint24(content[7:]))
		}
	case "ANMF":
		if head.frames++; head.frames == 1 {
			head.still = readWebPStill(content)
		}
	case "ALPH":
		head.alpha = true
	case "VP8L":
		head.lossless = true
	case "ICCP":
		head.profile = content
	case "EXIF":
		// Some writers keep the prefix of JPEG files.
		if len(content) > 6 && string(content[:6]) == "Exif\x00\x00" {
			content = content[6:]
		}
		head.orientation = exifOrientation(content)
	}
}

// The Huffman tables of a lossless picture or alpha plane take at most tableFactor bytes
// for each byte of the file, and at most tableBytes in all.
const (
	tableFactor = 256
	tableBytes  = 64 << 20
)

// decodeBytes returns what the decoder allocates for width x height pixels from a file of
// size bytes.
func (head webpHead) decodeBytes(width, height, size int) int64 {
	pixels := (int64(width) + 15) * (int64(height) + 15)
	tables := min(tableBytes, tableFactor*int64(size))
	switch {
	case head.alpha: // the alpha plane is first decoded as a lossless picture
		return 9*pixels + tables + pixels*3/2 + int64(size)
	case head.lossless:
		return 8*pixels + tables
	}
	// The decoder copies the compressed data and keeps filter parameters for each macroblock.
	return pixels*3/2 + pixels/16 + int64(size)
}
