package jpeg

import "bytes"

// Markers of T.81 table B.1.
const (
	sof0  = 0xc0 // baseline sequential
	sof1  = 0xc1 // extended sequential
	sof2  = 0xc2 // progressive
	dht   = 0xc4
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dri   = 0xdd
	app0  = 0xe0
	app1  = 0xe1
	app2  = 0xe2
	app14 = 0xee
	app15 = 0xef
	com   = 0xfe
)

// segment is a marker with the contents of its segment, after the length field.
type segment struct {
	marker byte
	at     int // offset of body in the source
	body   []byte
}

// segments iterates over the marker segments of a source.
type segments struct {
	src []byte
	at  int // start of the search for the next marker
}

// begin checks the start-of-image marker.
func (s *segments) begin() error {
	if len(s.src) < 2 {
		return errShort
	}
	if s.src[0] != 0xff || s.src[1] != soi {
		return formatError("missing SOI marker")
	}
	s.at = 2
	return nil
}

// next returns the next segment. Like libjpeg and image/jpeg, it skips stray bytes, fill bytes (T.81 B.1.1.2) and restart
// markers left over from a scan.
func (s *segments) next() (segment, error) {
	for {
		i := bytes.IndexByte(s.src[s.at:], 0xff)
		if i < 0 || s.at+i+1 == len(s.src) {
			return segment{}, errShort
		}
		if s.at += i + 1; s.src[s.at] == 0 {
			s.at++
			continue
		}
		for s.at < len(s.src) && s.src[s.at] == 0xff {
			s.at++
		}
		if s.at == len(s.src) {
			return segment{}, errShort
		}
		marker := s.src[s.at]
		s.at++
		if rst0 <= marker && marker <= rst7 {
			continue
		}
		if marker == 0 { // image/jpeg skips it only before a restart marker
			return segment{}, unsupported("fill bytes before a stuffed zero")
		}
		if marker == eoi {
			return segment{marker: eoi, at: s.at}, nil
		}
		return s.body(marker)
	}
}

// body returns the segment of the marker.
func (s *segments) body(marker byte) (segment, error) {
	if s.at+2 > len(s.src) {
		return segment{}, errShort
	}
	length := int(s.src[s.at])<<8 | int(s.src[s.at+1])
	if length < 2 {
		return segment{}, formatError("segment length below 2")
	}
	at, end := s.at+2, s.at+length
	if end > len(s.src) {
		return segment{}, errShort
	}
	s.at = end
	return segment{marker: marker, at: at, body: s.src[at:end]}, nil
}

// known returns an error unless the marker is one of an application or comment segment.
func known(marker byte) error {
	switch {
	case app0 <= marker && marker <= app15, marker == com:
		return nil
	case marker == 0xc8, marker > sof2 && marker < 0xd0 && marker != dht:
		return unsupported("lossless, hierarchical or arithmetic coding")
	}
	return unsupported("unknown marker")
}
