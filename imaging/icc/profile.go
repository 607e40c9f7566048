// Package icc turns colours of the spaces that ICC profiles describe (ICC.1:2022, and its predecessors down to version 2)
// into sRGB (IEC 61966-2-1), with the relative colorimetric intent and without black point compensation, as
// libvips does by default. Colours outside of sRGB are clipped channel by channel.
//
// It takes matrix and curve profiles of RGB, curve profiles of gray, and tables (lut8, lut16 and lutAToB) of RGB and
// CMYK. Profiles come from strangers: no length, count or offset in them is believed, and the work is bounded by the
// profile's own length.
package icc

import (
	"encoding/binary"
	"errors"
)

var (
	// ErrMalformed says that a profile is damaged: it is best ignored.
	ErrMalformed = errors.New("the colour profile is damaged")
	// ErrUnsupported says that a profile is of a kind that this package does not know.
	ErrUnsupported = errors.New("the colour profile is of a rare kind that is not supported")
)

// MaxBytes is the length of the largest profile that is looked at. Those of printing presses have two million bytes.
const MaxBytes = 4 << 20

// Space is the kind of colours that a profile describes.
type Space uint8

// The kinds.
const (
	Gray Space = iota + 1
	RGB
	CMYK
)

const (
	headerBytes = 128
	entryBytes  = 12
	maxTags     = 200
)

// profile is a parsed profile: its tags by signature.
type profile struct {
	data []byte
	tags []byte // the table
	lab  bool   // the connection space is Lab and not XYZ
}

// Parse reads a profile. The error is [ErrMalformed] or [ErrUnsupported].
func Parse(data []byte) (*Transform, error) {
	if len(data) < headerBytes+4 || string(data[36:40]) != "acsp" {
		return nil, ErrMalformed
	}
	if len(data) > MaxBytes {
		return nil, ErrUnsupported
	}
	count := binary.BigEndian.Uint32(data[headerBytes:])
	if count > maxTags || int(count)*entryBytes > len(data)-headerBytes-4 {
		return nil, ErrMalformed
	}
	p := &profile{data: data, tags: data[headerBytes+4:][:int(count)*entryBytes]}
	switch string(data[12:16]) {
	case "mntr", "scnr", "prtr", "spac":
	default:
		return nil, ErrUnsupported
	}
	switch string(data[20:24]) {
	case "XYZ ":
	case "Lab ":
		p.lab = true
	default:
		return nil, ErrUnsupported
	}
	switch string(data[16:20]) {
	case "GRAY":
		return p.gray()
	case "RGB ":
		return p.rgb()
	case "CMYK":
		return p.table(CMYK)
	}
	return nil, ErrUnsupported
}

// tag returns the content of a tag, or nothing where there is none or not in full.
func (p *profile) tag(name string) []byte {
	for e := p.tags; len(e) > 0; e = e[entryBytes:] {
		if string(e[:4]) != name {
			continue
		}
		at, size := uint64(binary.BigEndian.Uint32(e[4:])), uint64(binary.BigEndian.Uint32(e[8:]))
		if at+size > uint64(len(p.data)) {
			return nil
		}
		return p.data[at : at+size]
	}
	return nil
}

func (p *profile) gray() (*Transform, error) {
	c, _, err := parseCurve(p.tag("kTRC"))
	if err != nil {
		return nil, err
	}
	transfer := c.at
	if p.lab { // the curve gives lightness
		transfer = func(x float64) float64 { return lightness(c.at(x)) }
	}
	return NewGray(transfer), nil
}

// rgb prefers tables, which say more, to matrix and curves.
func (p *profile) rgb() (*Transform, error) {
	t, err := p.table(RGB)
	if err == nil || p.lab {
		return t, err
	}
	var toXYZ matrix
	var curves [3]Transfer
	for i, name := range [3]string{"r", "g", "b"} {
		colorant := p.tag(name + "XYZ")
		if len(colorant) < 20 || string(colorant[:4]) != "XYZ " {
			return nil, err
		}
		for k := range 3 {
			toXYZ[3*k+i] = fixed(colorant[8+4*k:])
		}
		c, _, curveErr := parseCurve(p.tag(name + "TRC"))
		if curveErr != nil {
			return nil, curveErr
		}
		curves[i] = c.at
	}
	return newShaper(fromXYZ.times(toXYZ), curves), nil
}

// table reads the table for the relative colorimetric intent, or the perceptual one that stands for all.
func (p *profile) table(space Space) (*Transform, error) {
	for _, name := range [2]string{"A2B1", "A2B0"} {
		if content := p.tag(name); content != nil {
			return parseTable(content, space, p.lab)
		}
	}
	return nil, ErrMalformed
}

// fixed reads an s15Fixed16Number.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }
