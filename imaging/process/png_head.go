package process

import (
	"encoding/binary"

	"vitrine/imaging/icc"
	"vitrine/imaging/process/colour"
)

// pngHead describes a PNG by the chunks before its pixels (W3C PNG, third edition).
type pngHead struct {
	depth, colour byte
	interlaced    bool
	transparent   bool // has a tRNS chunk
	animated      bool // has more frames than the picture itself
	orientation   orientation
	colours       colour.PNG
}

// Colour types of PNG, section 11.2.1.
const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBA      = 6
)

// readPNGHead reads the chunks up to the first IDAT. src must start with the signature.
func readPNGHead(src []byte) pngHead {
	head := pngHead{orientation: upright}
	for rest := src[8:]; len(rest) >= 12; {
		size := uint64(binary.BigEndian.Uint32(rest))
		if size+12 > uint64(len(rest)) {
			return head
		}
		content := rest[8 : 8+size]
		switch string(rest[4:8]) {
		case "IHDR":
			if len(content) == 13 {
				head.depth, head.colour, head.interlaced = content[8], content[9], content[12] != 0
			}
		case "tRNS":
			head.transparent = true
		case "iCCP", "cICP", "sRGB", "gAMA", "cHRM":
			head.colours.Take(string(rest[4:8]), content)
		case "acTL":
			head.animated = len(content) == 8 && binary.BigEndian.Uint32(content) > 1
		case "eXIf":
			head.orientation = exifOrientation(content)
		case "IDAT":
			return head
		}
		rest = rest[12+size:]
	}
	return head
}

// space returns the colour space of the colour type.
func (head pngHead) space() icc.Space {
	if head.colour == pngGray || head.colour == pngGrayAlpha {
		return icc.Gray
	}
	return icc.RGB
}

// decodeBytes returns what the standard decoder allocates for width x height pixels. It
// decodes an interlaced picture into seven smaller ones first.
func (head pngHead) decodeBytes(width, height int) int64 {
	var pixel int64
	switch {
	case head.colour == pngGray && !head.transparent, head.colour == pngPalette:
		pixel = 1
	default:
		pixel = 4
	}
	if head.depth == 16 {
		pixel *= 2
	}
	if head.interlaced {
		pixel *= 2
	}
	return pixel * int64(width) * int64(height)
}
