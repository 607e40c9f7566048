package imaging

import "encoding/binary"

// orientation is how a stored picture has to be turned to stand upright: the
// value of the EXIF tag of that name (CIPA DC-008, section 4.6.4).
type orientation uint8

const (
	upright    orientation = 1
	mirrored   orientation = 2 // left and right swapped
	upsideDown orientation = 3 // turned by 180 degrees
	flipped    orientation = 4 // top and bottom swapped
	transposed orientation = 5 // rows are columns
	needsRight orientation = 6 // to be turned clockwise by 90 degrees
	transverse orientation = 7 // rows are columns, from the other corner
	needsLeft  orientation = 8 // to be turned counter-clockwise by 90 degrees
)

// swapsSides reports whether width and height change places.
func (o orientation) swapsSides() bool { return o >= transposed }

// mirrorsX and mirrorsY report whether the stored columns and rows run against
// those of the upright picture, the swap of sides left aside.
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

// exifOrientation reads the orientation from a TIFF block, as EXIF metadata has
// it (TIFF 6.0, section 2). Only the first directory is looked at, once, so that
// neither loops nor lying offsets cost anything. What cannot be read is upright.
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
