package jpeg

import "image"

// Segment is the part src[Offset : Offset+Length] of a source.
type Segment struct{ Offset, Length int }

// Header describes a file by the segments before its first scan.
type Header struct {
	Width, Height int                        // pixels
	Components    int                        // 1, 3 or 4
	Sampling      [maxComponents]image.Point // horizontal and vertical sampling factors of each component
	Progressive   bool
	JFIF          bool
	Quality       int     // 1 to 100 on the scale of libjpeg, estimated from the first component's table; 0 without a table
	Adobe         int     // colour transform of the Adobe segment: 0, 1 (YCbCr) or 2 (YCCK); -1 without a segment
	EXIF          Segment // TIFF structure of the EXIF segment; Length 0 without a segment
	// ICC lists the pieces of the ICC profile in order of appearance. The two bytes before a piece are its number and
	// the number of pieces (ICC.1:2022, B.4). A valid profile has up to 255; the list stops at 256.
	ICC []Segment

	frame frame
}

// Inspect reads the segments up to the first scan. It makes at most one pass over the source and allocates only
// Header.ICC. It returns an error for a file without a frame header, but accepts a dimension of zero.
func Inspect(src []byte) (Header, error) {
	h := Header{Adobe: -1}
	s := segments{src: src}
	if err := s.begin(); err != nil {
		return h, err
	}
	var tables [4]int // sums by identifier
	for {
		seg, err := s.next()
		if err != nil {
			return h, err
		}
		switch seg.marker {
		case sof0, sof1, sof2:
			if h.Components != 0 {
				return h, formatError("more than one SOF marker")
			}
			if h.frame, err = parseFrame(seg.marker, seg.body); err != nil {
				return h, err
			}
			h.describe()
		case sos, eoi:
			if h.Components == 0 {
				return h, formatError("missing SOF marker")
			}
			h.Quality = qualityOf(tables[h.frame.comp[0].tq])
			return h, nil
		case dqt:
			tableSums(seg.body, &tables)
		case dht, dri:
		default:
			if err := known(seg.marker); err != nil {
				return h, err
			}
			h.note(seg)
		}
	}
}

// describe sets the fields that come from the frame header.
func (h *Header) describe() {
	f := &h.frame
	h.Width, h.Height, h.Components, h.Progressive = f.width, f.height, f.n, f.progressive
	for i, c := range f.comp[:f.n] {
		h.Sampling[i] = image.Pt(c.h, c.v)
	}
}

// maxPieces is the maximum number of pieces of a profile, which is stored in a byte. Inspect lists one more, so that callers
// can detect an excess.
const maxPieces = 255

// note records the position of the metadata in an application segment.
func (h *Header) note(seg segment) {
	has := func(prefix string) bool {
		return len(seg.body) > len(prefix) && string(seg.body[:len(prefix)]) == prefix
	}
	rest := func(n int) Segment { return Segment{seg.at + n, len(seg.body) - n} }
	switch seg.marker {
	case app0:
		if len(seg.body) >= 5 {
			h.JFIF = string(seg.body[:5]) == "JFIF\x00"
		}
	case app1:
		if h.EXIF.Length == 0 && has("Exif\x00\x00") {
			h.EXIF = rest(6)
		}
	case app2:
		if has("ICC_PROFILE\x00") && len(seg.body) > 14 && len(h.ICC) <= maxPieces {
			h.ICC = append(h.ICC, rest(14))
		}
	case app14:
		if len(seg.body) >= 12 && has("Adobe") {
			h.Adobe = int(seg.body[11])
		}
	}
}

// Supported reports whether Decode supports this kind of file, as far as the header shows. Decode returns ErrUnsupported
// for other files, and for some whose scans use an unsupported feature.
func (h Header) Supported() bool {
	return h.Components != 4 && h.Width > 0 && h.Height > 0 && !h.frame.rgb(h.JFIF, h.Adobe)
}

// Bytes returns the memory in bytes that Bands needs for the file at a scale, without the source: the samples of a band, the
// coefficients of a progressive file, and the scans and tables of a typical file.
func (h Header) Bytes(scale int) int64 {
	state := int64(32 << 10)
	if h.Progressive {
		state = 128 << 10
	}
	return bandBytes(&h.frame, scale) + coefficientBytes(&h.frame, scale) + state
}
