package imagingtest

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
)

// JPEG returns a baseline JPEG. An orientation of 2 to 8 is written to an EXIF block; readers
// have to turn the picture (see [Stored]).
func JPEG(img image.Image, quality, orientation int) []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		panic(err)
	}
	if orientation <= 1 {
		return out.Bytes()
	}
	return WithEXIF(out.Bytes(), EXIF(orientation))
}

// EXIF returns a TIFF block with only an orientation.
func EXIF(orientation int) []byte {
	b := []byte("MM\x00*\x00\x00\x00\x08")
	b = binary.BigEndian.AppendUint16(b, 1) // entries
	b = binary.BigEndian.AppendUint16(b, 0x0112)
	b = binary.BigEndian.AppendUint16(b, 3) // SHORT
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(orientation))
	return append(b, 0, 0, 0, 0, 0, 0)
}

// WithEXIF adds a TIFF block to the start of a JPEG.
func WithEXIF(file, tiff []byte) []byte {
	segment := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, file[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	out = append(out, segment...)
	return append(out, file[2:]...)
}

// Stored returns the pixels to store in a file of that orientation so that img comes out
// upright.
func Stored(img *image.NRGBA, orientation int) *image.NRGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	m := image.NewNRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			ux, uy := x, y
			switch orientation {
			case 2:
				ux = w - 1 - x
			case 3:
				ux, uy = w-1-x, h-1-y
			case 4:
				uy = h - 1 - y
			case 5:
				ux, uy = y, x
			case 6:
				ux, uy = w-1-y, x
			case 7:
				ux, uy = w-1-y, h-1-x
			case 8:
				ux, uy = y, h-1-x
			}
			m.SetNRGBA(x, y, img.NRGBAAt(ux, uy))
		}
	}
	return m
}
