package hostile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"

	"vitrine/imaging/imagingtest"
)

// Marker is what [Marked] hides. No eight bytes of it occur by chance.
var Marker = []byte("\x9d\x17\xc3\x5e\x81\xfa\x02\x6b\xd8\x44\xb0\x1f\x93\xe7\x2c\x58\xa6\x0d\x79\xf1\x35\xcb\x62\x8e\x14\xd9\x4a\xb7\x03\x6f\x90\xec")

// Holds reports whether a file contains a part of the [Marker].
func Holds(file []byte) bool {
	const part = 8
	for i := range len(Marker) - part + 1 {
		if bytes.Contains(file, Marker[i:i+part]) {
			return true
		}
	}
	return false
}

// Marked adds the [Marker] to every place of a file that can hold something besides the
// picture, and behind its end: EXIF with a position on earth, XMP, IPTC, comments, the
// description of a colour profile, text, and unknown chunks. Existing metadata stays. A file
// that is too short for its format is returned unchanged.
func Marked(format string, file []byte) []byte {
	var out []byte
	switch {
	case format == "jpeg" && len(file) >= 2:
		out = markedJPEG(file)
	case format == "png" && len(file) >= pngHeader:
		out = markedPNG(file)
	case format == "gif" && len(file) >= 13:
		out = markedGIF(file)
	case format == "webp" && len(file) >= 12:
		out = markedWebP(file)
	default:
		return file
	}
	return append(out, Marker...)
}

func marked(prefix string) []byte { return append([]byte(prefix), Marker...) }

func markedJPEG(file []byte) []byte {
	out := append([]byte{}, file[:2]...)
	segment := func(marker byte, content []byte) {
		out = binary.BigEndian.AppendUint16(append(out, 0xff, marker), uint16(len(content)+2))
		out = append(out, content...)
	}
	segment(0xe1, append([]byte("Exif\x00\x00"), Whereabouts(1)...))
	segment(0xe1, marked("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">"))
	segment(0xe1, marked("http://ns.adobe.com/xmp/extension/\x00"))
	segment(0xe2, marked("MPF\x00"))
	segment(0xed, marked("Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x24\x1c\x02\x78\x20"))
	segment(0xe5, marked(""))
	segment(0xfe, marked("taken at home by "))
	if !bytes.Contains(file, []byte("ICC_PROFILE")) {
		segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), describedProfile()...))
	}
	return append(out, file[2:]...)
}

// pngHeader is the length of a PNG's signature and first chunk.
const pngHeader = 8 + 12 + 13

func markedPNG(file []byte) []byte {
	out := append([]byte{}, file[:pngHeader]...)
	chunk := func(name string, content []byte) { out = imagingtest.AppendPNGChunk(out, name, content) }
	if !bytes.Contains(file, []byte("iCCP")) {
		chunk("iCCP", append([]byte("secret\x00\x00"), deflated(describedProfile())...))
	}
	chunk("eXIf", Whereabouts(1))
	chunk("tEXt", marked("Author\x00"))
	chunk("zTXt", append([]byte("Comment\x00\x00"), deflated(Marker)...))
	chunk("iTXt", marked("XML:com.adobe.xmp\x00\x00\x00\x00\x00"))
	chunk("prVt", Marker)
	return append(out, file[pngHeader:]...)
}

func markedGIF(file []byte) []byte {
	at := 13
	if file[10]&0x80 != 0 {
		at = min(at+3<<(file[10]&7+1), len(file))
	}
	out := append([]byte{}, file[:at]...)
	block := append([]byte{byte(len(Marker))}, Marker...)
	for _, head := range []string{"\x21\xfe", "\x21\xff\x0bXMP DataXMP", "\x21\x01\x0c\x00\x00\x00\x00\x01\x00\x01\x00\x01\x01\x00\x00"} {
		out = append(append(append(out, head...), block...), 0)
	}
	return append(out, file[at:]...)
}

// markedWebP appends chunks after the last one, and keeps a claimed length beyond the end.
func markedWebP(file []byte) []byte {
	out := append([]byte{}, file...)
	size := int(binary.LittleEndian.Uint32(file[4:]))
	if size+8 != len(file) {
		return out
	}
	for _, c := range []struct {
		name    string
		content []byte
	}{{"EXIF", Whereabouts(1)}, {"XMP ", Marker}, {"prVt", Marker}} {
		out = append(out, imagingtest.WebPChunk(c.name, c.content)...)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// describedProfile returns Display P3 with the marker as its description and behind its last
// tag.
func describedProfile() []byte {
	tags := []imagingtest.Tag{{Name: "desc", Content: marked("mluc\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0cenUS\x00\x00\x00\x20\x00\x00\x00\x1c")}}
	for i, name := range []string{"r", "g", "b"} {
		colorant := []byte("XYZ \x00\x00\x00\x00")
		for _, v := range imagingtest.DisplayP3[i] {
			colorant = binary.BigEndian.AppendUint32(colorant, uint32(int32(v*65536)))
		}
		tags = append(tags, imagingtest.Tag{Name: name + "XYZ", Content: colorant}, imagingtest.Tag{Name: name + "TRC", Content: imagingtest.SRGBCurve()})
	}
	return append(imagingtest.Profile("RGB ", "XYZ ", tags...), Marker...)
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
