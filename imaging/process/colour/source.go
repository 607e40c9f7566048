package colour

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"vitrine/imaging/icc"
	"vitrine/imaging/jpeg"
)

// Source is what a file says about the meaning of its colours.
type Source struct {
	Space   icc.Space
	Pieces  []jpeg.Segment // of the profile in a JPEG
	Profile []byte         // in a WebP
	PNG     PNG
	Deep    bool // has 16 bits a sample
}

// Bytes returns the most memory that reading and using the profile needs for a main
// variant of that many pixels.
func (s *Source) Bytes(pixels int64) int64 {
	size := int64(len(s.Profile))
	for _, p := range s.Pieces {
		size += int64(p.Length)
	}
	if len(s.PNG.profile) > 0 {
		size = inflatedBytes(s.PNG.profile)
	}
	switch {
	case size == 0 && !s.PNG.stated():
		return 0
	case s.Space == icc.CMYK:
		pixels *= 4 // scaleInks holds the four inks
	default:
		pixels = 0
	}
	const tables = 256 << 10
	return 3*min(size, icc.MaxBytes) + pixels + tables // the joined profile and its prepared table
}

// Conversion converts a picture's colours to sRGB.
type Conversion struct {
	Transform *icc.Transform // nil if there is nothing to do
	Deep      *DeepTables    // the first step of the conversion, for 16-bit samples
	Note      string         // for the picture's owner
}

var errOtherSpace = errors.New("the colour profile is for a different colour space than the image's")

// Read reads the profile. If it cannot be used, the colours stay as they are.
func (s *Source) Read(src []byte) Conversion {
	t, err := s.transform(src)
	if err == nil && t != nil && t.Space() != s.Space {
		if t.Identity() { // often an sRGB profile in a gray picture
			return Conversion{}
		}
		err = errOtherSpace
	}
	switch {
	case err != nil:
		return Conversion{Note: "the colours may look different: " + err.Error()}
	case t == nil || t.Identity():
		return Conversion{}
	case s.Deep:
		if tables, rest := t.Deep(); tables != nil {
			return Conversion{Transform: rest, Deep: (*DeepTables)(tables)}
		}
	}
	return Conversion{Transform: t}
}

// transform returns nil if the file says nothing about its colours.
func (s *Source) transform(src []byte) (*icc.Transform, error) {
	if s.PNG.stated() {
		return s.PNG.transform(s.Space)
	}
	profile := s.Profile
	if len(s.Pieces) > 0 {
		profile = joined(src, s.Pieces)
		if profile == nil {
			return nil, icc.ErrMalformed
		}
	}
	if profile == nil {
		return nil, nil
	}
	return icc.Parse(profile)
}

// joined concatenates the pieces of a JPEG's profile in the order of their numbers
// (ICC.1:2022, annex B.4). It returns nil if a piece is missing or repeated.
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

// inflate returns the profile in a PNG's iCCP chunk. The chunk holds a name, which does
// not matter, a zero byte, the compression method and the compressed profile, which
// starts with its length.
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

// inflatedBytes returns the largest size of a profile in such a chunk.
func inflatedBytes(content []byte) int64 {
	const maxDeflateRatio = 1032
	return min(maxDeflateRatio*int64(len(content)), icc.MaxBytes)
}
