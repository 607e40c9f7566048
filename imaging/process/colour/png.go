package colour

import (
	"encoding/binary"
	"math"

	"vitrine/imaging/icc"
)

// PNG holds the chunks that describe a PNG's colours (W3C PNG, third edition,
// 11.3.2); a missing chunk is nil. The first of these that is present counts: cICP,
// iCCP, sRGB, then gAMA and cHRM together.
type PNG struct {
	code      []byte // cICP
	profile   []byte // iCCP, compressed
	plain     bool   // sRGB
	gamma     []byte // gAMA
	primaries []byte // cHRM
}

// Take stores the content of a chunk.
func (c *PNG) Take(name string, content []byte) {
	switch name {
	case "cICP":
		c.code = content
	case "iCCP":
		c.profile = content
	case "sRGB":
		c.plain = true
	case "gAMA":
		c.gamma = content
	case "cHRM":
		c.primaries = content
	}
}

// stated reports whether the file describes its colours, other than as sRGB.
func (c *PNG) stated() bool {
	return c.code != nil || c.profile != nil || !c.plain && (c.gamma != nil || c.primaries != nil)
}

// transform returns nil for plain sRGB.
func (c *PNG) transform(space icc.Space) (*icc.Transform, error) {
	switch {
	case c.code != nil:
		return codedColours(c.code, space)
	case c.profile != nil:
		profile, err := inflate(c.profile)
		if err != nil {
			return nil, err
		}
		return icc.Parse(profile)
	}
	return c.measured(space)
}

// codedColours returns the transform for code points of ITU-T H.273.
func codedColours(code []byte, space icc.Space) (*icc.Transform, error) {
	if len(code) != 4 || code[2] != 0 || code[3] != 1 { // RGB in full range
		return nil, icc.ErrMalformed
	}
	primaries, known := map[byte]icc.Primaries{1: icc.SRGB, 9: icc.BT2020, 12: icc.DisplayP3}[code[0]]
	if !known {
		return nil, icc.ErrUnsupported
	}
	var transfer icc.Transfer
	switch code[1] {
	case 1, 6, 14, 15: // video, which displays show with about this gamma (ITU-R BT.1886)
		transfer = icc.Power(2.4)
	case 4:
		transfer = icc.Power(2.2)
	case 5:
		transfer = icc.Power(2.8)
	case 8:
		transfer = icc.Power(1)
	case 13:
		transfer = icc.Linear
	default: // includes those of high dynamic range
		return nil, icc.ErrUnsupported
	}
	if space == icc.Gray {
		return icc.NewGray(transfer), nil
	}
	return icc.NewRGB(primaries, transfer)
}

// The gamma that writers give for sRGB, and the tolerance within which another gamma
// counts as the same. Both are those of libpng.
const (
	usualGamma     = 45455
	gammaTolerance = usualGamma / 20
	chromaUnit     = 100000
)

// measured returns the transform for gAMA and cHRM.
func (c *PNG) measured(space icc.Space) (*icc.Transform, error) {
	usual, transfer := true, icc.Transfer(icc.Linear)
	if c.gamma != nil {
		if len(c.gamma) != 4 {
			return nil, icc.ErrMalformed
		}
		gamma := float64(binary.BigEndian.Uint32(c.gamma))
		if gamma < 0.1*chromaUnit || gamma > 10*chromaUnit {
			return nil, icc.ErrMalformed
		}
		usual = math.Abs(gamma-usualGamma) < gammaTolerance
		transfer = icc.Power(chromaUnit / gamma)
	}
	primaries := icc.SRGB
	if c.primaries != nil && space == icc.RGB {
		if len(c.primaries) != 32 {
			return nil, icc.ErrMalformed
		}
		same := true
		for i, p := range [4]*[2]float64{&primaries.White, &primaries.Red, &primaries.Green, &primaries.Blue} {
			for k, usual := range p {
				p[k] = float64(binary.BigEndian.Uint32(c.primaries[8*i+4*k:])) / chromaUnit
				same = same && math.Abs(p[k]-usual) < 0.002
			}
		}
		usual = usual && same
	}
	switch {
	case usual:
		return nil, nil
	case space == icc.Gray:
		return icc.NewGray(transfer), nil
	}
	return icc.NewRGB(primaries, transfer)
}
