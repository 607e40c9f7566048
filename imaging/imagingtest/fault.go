package imagingtest

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// Truncated returns the first half of a file.
func Truncated(file []byte) []byte { return file[:len(file)/2] }

// HTML returns a page, which many servers send in place of a missing picture.
func HTML() []byte {
	return []byte("<!DOCTYPE html>\n<html><head><title>Not here</title></head><body>Sorry.</body></html>\n")
}

// PNGBomb returns a small PNG that claims w x h pixels. 30,000 a side would take 3.6 GB.
func PNGBomb(w, h int) []byte {
	file := RarePNG(image.NewNRGBA(image.Rect(0, 0, 8, 8)), PNGKind{Colour: 6, Depth: 8})
	header := binary.BigEndian.AppendUint32(nil, uint32(w))
	header = binary.BigEndian.AppendUint32(header, uint32(h))
	header = append(header, file[24:29]...)
	return append(AppendPNGChunk(append([]byte{}, file[:8]...), "IHDR", header), file[33:]...)
}

// GIFBomb returns a GIF of 32 bytes whose frame claims 65,535 x 65,535 pixels.
func GIFBomb() []byte {
	file := []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00")                   // 2 colours
	file = append(file, 0, 0, 0, 255, 255, 255)                            // the colours
	file = append(file, 0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 0) // frame without data
	return append(file, 0x3b)
}

// WebPBomb returns a lossy WebP of 16 x 16 pixels whose chunk claims two gigabytes.
func WebPBomb() []byte {
	file := LossyWebP(16, 16)[:64]
	binary.LittleEndian.PutUint32(file[4:], 1<<31-16)
	binary.LittleEndian.PutUint32(file[16:], 1<<31-64)
	return file
}

// ScanBomb returns a progressive JPEG of side x side gray pixels with that many scans. Each
// scan takes 14 bytes and one pass through all blocks.
func ScanBomb(side, scans int) []byte {
	flat := image.NewUniform(color.Gray{Y: 0x80})
	tile := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range tile.Pix {
		tile.Pix[i] = flat.C.(color.Gray).Y
	}
	e := &jpegEncoder{coding: Coding{Progressive: true, Sampling: []byte{0x11}, Transform: -1}, width: side, height: side, maxH: 1, maxV: 1}
	e.header()
	e.segment(0xda, []byte{1, 1, 0, 0, 0, 0})
	blocks := (side + 7) / 8 * ((side + 7) / 8)
	for range blocks {
		e.put(0, 4) // no difference
	}
	for e.bits != 0 {
		e.put(1, 1)
	}
	file := e.out
	e.out = nil
	e.segment(0xda, []byte{1, 1, 0, 1, 63, 0x10})
	for left := blocks; left > 0; {
		const longest = 1<<15 - 1
		n := min(left, longest)
		size, extra := magnitude(n)
		e.put(uint32(size-1)<<4, 8) // run of n blocks without coefficients
		e.put(extra-1<<(size-1), uint(size-1))
		left -= n
	}
	for e.bits != 0 {
		e.put(1, 1)
	}
	return append(append(file, bytes.Repeat(e.out, scans)...), 0xff, 0xd9)
}

// EXIFLoop returns a TIFF block whose directory points to itself and claims more entries than
// there are, one of them beyond the end.
func EXIFLoop() []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, 0xffff)
	for _, tag := range []uint16{0x8769, 0x8825, 0xa005} {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, 8)
	}
	return binary.LittleEndian.AppendUint32(b, 8)
}

// LateRGB adds an Adobe segment for RGB behind the scans of a JPEG.
func LateRGB(file []byte) []byte {
	e := &jpegEncoder{}
	e.segment(0xee, []byte{'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0})
	end := len(file) - 2
	return append(append(append([]byte{}, file[:end]...), e.out...), file[end:]...)
}
