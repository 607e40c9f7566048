package imaging

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"vitrine/imaging/icc"
	"vitrine/imaging/jpeg"
)

// colourSource is where a file says what its colours mean.
type colourSource struct {
	space   icc.Space      // that its colours are of
	pieces  []jpeg.Segment // of a profile in a JPEG
	profile []byte         // of a WebP
	png     pngColours
	deep    bool // has 16 bits a sample
}

// jpegSpace is what a JPEG of so many components describes.
func jpegSpace(components int) icc.Space {
	switch components {
	case 1:
		return icc.Gray
	case 4:
		return icc.CMYK
	}
	return icc.RGB
}

// bytes is what reading and using the profile takes at most, for a main variant
// of so many pixels.
func (s *colourSource) bytes(pixels int64) int64 {
	size := int64(len(s.profile))
	for _, p := range s.pieces {
		size += int64(p.Length)
	}
	if len(s.png.profile) > 0 {
		size = inflatedBytes(s.png.profile)
	}
	switch {
	case size == 0 && !s.png.stated():
		return 0
	case s.space == icc.CMYK:
		pixels *= 4 // the inks, before they are put together
	default:
		pixels = 0
	}
	const tables = 256 << 10
	return 3*min(size, icc.MaxBytes) + pixels + tables // the profile put together, and its table made ready
}

// colours is how a picture's colours become sRGB.
type colours struct {
	transform *icc.Transform // nil where there is nothing to do
	deep      *deepTables    // does the first part of it for samples of 16 bits
	note      string         // for the picture's owner
}

var errOtherSpace = errors.New("the colour profile is for another kind of colours than the picture has")

// read reads the profile. One that cannot be used leaves the colours as they are.
func (s *colourSource) read(src []byte) colours {
	t, err := s.transform(src)
	if err == nil && t != nil && t.Space() != s.space {
		if t.Identity() { // of a gray picture, often
			return colours{}
		}
		err = errOtherSpace
	}
	switch {
	case err != nil:
		return colours{note: "the colours may look different: " + err.Error()}
	case t == nil || t.Identity():
		return colours{}
	case s.deep:
		if tables, rest := t.Deep(); tables != nil {
			return colours{transform: rest, deep: (*deepTables)(tables)}
		}
	}
	return colours{transform: t}
}

// transform gives nil where the file says nothing of its colours.
func (s *colourSource) transform(src []byte) (*icc.Transform, error) {
	if s.png.stated() {
		return s.png.transform(s.space)
	}
	profile := s.profile
	if len(s.pieces) > 0 {
		profile = joined(src, s.pieces)
		if profile == nil {
			return nil, icc.ErrMalformed
		}
	}
	if profile == nil {
		return nil, nil
	}
	return icc.Parse(profile)
}

// joined puts the pieces of a JPEG's profile in the order of their numbers
// (ICC.1:2022, annex B.4); nil where one is missing, or there twice.
func joined(src []byte, pieces []jpeg.Segment) []byte {
	ordered := make([][]byte, len(pieces))
	total := 0
	for _, p := range pieces {
		number, count := int(src[p.Offset-2]), int(src[p.Offset-1])
		if count != len(pieces) || number < 1 || number > count || ordered[number-1] != nil {
			return nil
		}
		ordered[number-1] = src[p.Offset : p.Offset+p.Length]
		total += p.Length
	}
	if len(pieces) == 1 {
		return ordered[0]
	}
	if total > icc.MaxBytes {
		return nil
	}
	return bytes.Join(ordered, nil)
}

// inflate gives the profile of a PNG's iCCP chunk: its name, which does not
// matter, a zero, the compression's kind, and the compressed profile, which
// begins with its length.
func inflate(content []byte) ([]byte, error) {
	_, packed, ok := bytes.Cut(content, []byte{0})
	if !ok || len(packed) < 2 || packed[0] != 0 {
		return nil, icc.ErrMalformed
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil, icc.ErrMalformed
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, icc.ErrMalformed
	}
	stated := int64(binary.BigEndian.Uint32(length[:]))
	switch {
	case stated > icc.MaxBytes:
		return nil, icc.ErrUnsupported
	case stated < int64(len(length)) || stated > inflatedBytes(content):
		return nil, icc.ErrMalformed
	}
	profile := make([]byte, stated)
	copy(profile, length[:])
	n, err := io.ReadFull(r, profile[len(length):])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, icc.ErrMalformed
	}
	return profile[:len(length)+n], nil
}

// inflatedBytes is what a profile in such a chunk can take at most.
func inflatedBytes(content []byte) int64 {
	const mostOfDeflate = 1032 // to one
	return min(mostOfDeflate*int64(len(content)), icc.MaxBytes)
}
