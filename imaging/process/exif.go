package process

import "encoding/binary"

// orientation is the value of the EXIF tag of that name (CIPA DC-008, section 4.6.4). It
// says how to turn a stored picture upright.
type orientation uint8

const (
	upright    orientation = 1
	mirrored   orientation = 2 // left and right are swapped
	upsideDown orientation = 3 // rotated by 180 degrees
	flipped    orientation = 4 // top and bottom are swapped
	transposed orientation = 5 // rows are columns
	needsRight orientation = 6 // rotate clockwise by 90 degrees
	transverse orientation = 7 // rows are columns, from the opposite corner
	needsLeft  orientation = 8 // rotate counter-clockwise by 90 degrees
)

// swapsSides reports whether turning upright exchanges width and height.
func (o orientation) swapsSides() bool { return o >= transposed }

// mirrorsX and mirrorsY report whether the stored columns and rows run in the opposite
// direction to those of the upright picture, apart from the swap of sides.
func (o orientation) mirrorsX() bool {
	return o == mirrored || o == upsideDown || o == transverse || o == needsLeft
}

func (o orientation) mirrorsY() bool {
	return o == upsideDown || o == flipped || o == needsRight || o == transverse
}

const (
	tagOrientation = 0x0112
	typeShort      = 3
	entryBytes     = 12
)

// exifOrientation reads the orientation from the TIFF block of EXIF metadata (TIFF 6.0,
// section 2). It reads only the first directory, once, so loops and false offsets cost
// nothing. It returns upright for a block that it cannot read.
func exifOrientation(tiff []byte) orientation {
	if len(tiff) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	start := uint64(order.Uint32(tiff[4:]))
	if start+2 > uint64(len(tiff)) {
		return upright
	}
	entries := tiff[start+2:]
	for range order.Uint16(tiff[start:]) {
		if len(entries) < entryBytes {
			return upright
		}
		e := entries[:entryBytes]
		entries = entries[entryBytes:]
		if order.Uint16(e) != tagOrientation {
			continue
		}
		value := orientation(order.Uint16(e[8:]))
		if order.Uint16(e[2:]) != typeShort || order.Uint32(e[4:]) != 1 ||
			order.Uint16(e[8:]) > uint16(needsLeft) || value < upright {
			return upright
		}
		return value
	}
	return upright
}
