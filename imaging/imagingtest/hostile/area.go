package hostile

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// area is a part of a file that describes other parts, between two offsets.
type area struct{ from, to int }

// depth is the length of the start of a segment or chunk that holds such numbers.
const depth = 20

// heads returns the parts of a file that a reader trusts: the starts of segments, chunks and
// blocks.
func heads(format string, file []byte) []area {
	switch format {
	case "jpeg":
		return jpegHeads(file)
	case "png":
		return pngHeads(file)
	case "gif":
		at := gifFrame(file)
		return []area{{6, 13}, {13, 16}, {at, at + 12}}
	}
	return webpHeads(file)
}

func jpegHeads(file []byte) (list []area) {
	for at := 2; at+4 <= len(file) && file[at+1] != 0xd9; {
		end := at + 2 + int(binary.BigEndian.Uint16(file[at+2:]))
		list = append(list, area{at + 1, min(end, at+depth)})
		if file[at+1] == 0xda {
			for end+1 < len(file) && (file[end] != 0xff || file[end+1] == 0) {
				end++
			}
		}
		at = end
	}
	return list
}

func pngHeads(file []byte) (list []area) {
	for at := 8; at+12 <= len(file); {
		size := int(binary.BigEndian.Uint32(file[at:]))
		list = append(list, area{at, at + 8 + min(size, depth)})
		at += 12 + size
	}
	return list
}

// webpHeads also looks into the chunk of a frame, whose own chunks start after 16 bytes.
func webpHeads(file []byte) []area {
	list := []area{{4, 8}}
	for at := 12; at+8 <= len(file); {
		size := int(binary.LittleEndian.Uint32(file[at+4:]))
		list = append(list, area{at, at + 8 + min(size, depth)})
		if string(file[at:at+4]) == "ANMF" {
			size = 16
		}
		at += 8 + size + size&1
	}
	return list
}

// gifFrame returns the offset of the first frame in a file of the standard encoder.
func gifFrame(file []byte) int {
	at := 13
	if file[10]&0x80 != 0 {
		at += 3 << (file[10]&7 + 1)
	}
	for file[at] == 0x21 {
		at += 2
		for file[at] != 0 {
			at += 1 + int(file[at])
		}
		at++
	}
	return at
}

// Lying returns copies of a file with one false number each: every byte of every head gets
// other values, and so do groups of two and four bytes. The checksums of a PNG are corrected.
func Lying(format string, f File) iter.Seq[File] {
	patterns := [][]byte{{0}, {1}, {0x80}, {0xff}, {0, 0}, {0xff, 0xff}, {0xff, 0xff, 0xff, 0x7f}, {0x7f, 0xff, 0xff, 0xff}}
	return func(yield func(File) bool) {
		for _, a := range heads(format, f.Body) {
			for at := a.from; at < a.to; at++ {
				for _, p := range patterns {
					if at+len(p) > a.to {
						continue
					}
					lie := changed(f.Body, at, p...)
					if format == "png" {
						Repair(lie)
					}
					if !yield(File{Name: fmt.Sprintf("%s, %x at %d", f.Name, p, at), Body: lie}) {
						return
					}
				}
			}
		}
	}
}
