// Package icc converts colours to sRGB (IEC 61966-2-1) by ICC profiles (ICC.1:2022 and earlier versions from 2 on).
//
// It uses the relative colorimetric intent without black point compensation, the default of libvips, and clips each channel
// to the range of sRGB. It supports matrix and curve profiles of RGB, curve profiles of gray, and tables (lut8, lut16 and
// lutAToB) of RGB and CMYK. Profiles are untrusted: all lengths, counts and offsets in them are checked, and the work is
// bounded.
//
// The package imports nothing of the project. Begin with Parse in profile.go and with transform.go.
package icc

import (
	"encoding/binary"
	"errors"
)

var (
	// ErrMalformed is returned for a damaged profile, which callers should ignore.
	ErrMalformed = errors.New("the colour profile is damaged")
	// ErrUnsupported is returned for a profile of a kind that this package does not support.
	ErrUnsupported = errors.New("this kind of colour profile is not supported")
)

// MaxBytes is the maximum length of a profile. Typical profiles of printing presses have about two million bytes.
const MaxBytes = 4 << 20

// Space is the colour space of stored values.
type Space uint8

// The colour spaces that Parse supports.
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

// profile is a profile with its tag table.
type profile struct {
	data []byte
	tags []byte // the tag table
	lab  bool   // the connection space is Lab, not XYZ
}

// Parse returns the transform of a profile. It returns [ErrMalformed] or [ErrUnsupported] if it can't.
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

// tag returns the content of a tag, or nil if the tag is missing or incomplete.
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

// gray returns the transform of a gray profile.
func (p *profile) gray() (*Transform, error) {
	c, _, err := parseCurve(p.tag("kTRC"))
	if err != nil {
		return nil, err
	}
	transfer := c.at
	if p.lab { // the curve returns lightness
		transfer = func(x float64) float64 { return lightness(c.at(x)) }
	}
	return NewGray(transfer), nil
}

// rgb returns the transform of an RGB profile. It prefers a table to matrix and curves, because a table is more precise.
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

// table returns the transform of the table for the relative colorimetric intent, or else of the perceptual one, the default
// for all intents.
func (p *profile) table(space Space) (*Transform, error) {
	for _, name := range [2]string{"A2B1", "A2B0"} {
		if content := p.tag(name); content != nil {
			return parseTable(content, space, p.lab)
		}
	}
	return nil, ErrMalformed
}

// fixed returns the value of an s15Fixed16Number.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }
