package process

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"

	"vitrine/imaging"
	"vitrine/imaging/icc"
	"vitrine/imaging/process/colour"
)

// webpStill is the first frame of an animated WebP (RFC 9649, section 2.7.1.2): a complete
// picture without a file around it.
type webpStill struct {
	at     image.Rectangle // on the canvas
	alpha  []byte          // chunk of the alpha plane; nil if it has none
	pixels []byte          // chunk of the picture
	head   webpHead
}

// readWebPStill reads the content of a frame's chunk. It returns nil if it is damaged.
func readWebPStill(content []byte) *webpStill {
	const head = 16
	if len(content) < head {
		return nil
	}
	at := image.Pt(2*uint24(content), 2*uint24(content[3:]))
	size := image.Pt(1+uint24(content[6:]), 1+uint24(content[9:]))
	s := &webpStill{at: image.Rectangle{Min: at, Max: at.Add(size)}}
	for rest := content[head:]; len(rest) >= 8 && s.pixels == nil; {
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if size > uint64(len(rest)-8) {
			return nil
		}
		padded := min(8+size+size&1, uint64(len(rest)))
		id, chunk := string(rest[:4]), rest[:padded]
		switch id {
		case "ALPH":
			s.alpha = chunk
		case "VP8L": // contains its own alpha
			s.alpha, s.pixels = nil, chunk
		case "VP8 ":
			s.pixels = chunk
		}
		s.head.take(id, rest[8:8+size])
		rest = rest[padded:]
	}
	if s.pixels == nil {
		return nil
	}
	return s
}

// useStill prepares decoding only the first frame of an animated WebP.
func (h *header) useStill(head webpHead) {
	h.width, h.height = head.canvas.X, head.canvas.Y
	h.orientation, h.animated, h.still = head.orientation, head.frames > 1, head.still
	h.lossless = head.still.head.lossless
	h.colours = colour.Source{Space: icc.RGB, Profile: head.profile}
	size := head.still.at.Size()
	h.decodeBytes = head.still.head.decodeBytes(size.X, size.Y, len(head.still.alpha)+len(head.still.pixels))
}

// fills reports whether the frame covers its canvas.
func (s *webpStill) fills(h header) bool { return s.at == image.Rect(0, 0, h.width, h.height) }

// reader returns what the decoder reads in place of src.
func (h header) reader(src []byte) io.Reader {
	switch {
	case h.still != nil:
		return h.still.file()
	case h.unmarkedInks():
		return markInks(src)
	case h.format == imaging.PNG:
		return newPNGReader(src)
	}
	return bytes.NewReader(src)
}

// file returns the frame as a file. The file states the frame's size, so the decoder checks
// the picture against it before it allocates memory.
func (s *webpStill) file() io.Reader {
	const extended = 10
	content := len("WEBP") + 8 + extended + len(s.alpha) + len(s.pixels)
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(content))
	head = append(head, "WEBPVP8X"...)
	head = binary.LittleEndian.AppendUint32(head, extended)
	flags := byte(0)
	if s.alpha != nil {
		flags = 0x10
	}
	head = append(head, flags, 0, 0, 0)
	head = appendUint24(head, s.at.Dx()-1)
	head = appendUint24(head, s.at.Dy()-1)
	return io.MultiReader(bytes.NewReader(head), bytes.NewReader(s.alpha), bytes.NewReader(s.pixels))
}

// place moves a decoded frame to its position on the canvas.
func (h header) place(img image.Image) (image.Image, error) {
	if h.still == nil {
		return img, nil
	}
	if img.Bounds().Size() != h.still.at.Size() {
		return nil, refuse(imaging.CodeCorruptImage, "the image is damaged", nil)
	}
	switch m := img.(type) {
	case *image.NRGBA:
		m.Rect = h.still.at
	case *image.YCbCr:
		m.Rect = h.still.at
	case *image.NYCbCrA:
		m.Rect = h.still.at
	}
	return img, nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func appendUint24(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }
