package icc

import "math"

// Transform converts the colours of one space to sRGB. It is immutable and safe for concurrent use.
type Transform struct {
	space  Space
	curves [3]Transfer // of a matrix profile; all the same for gray
	toRGB  matrix      // from linear light to linear sRGB

	direct *[3][256]byte // sRGB of stored values, for gray and the primaries of sRGB; nil otherwise
	linear [3][256]int32 // linear light of stored values, in units of 1/linearUnit
	fixed  [9]int        // toRGB in units of 1/matrixUnit
	grid   *grid         // of a table profile; nil otherwise
}

const (
	linearUnit = 1 << 16
	matrixUnit = 1 << 14
	sumUnit    = linearUnit * matrixUnit / encodeSteps
)

// tolerance is the largest difference of matrix elements that is ignored. It changes no channel of a saturated colour
// visibly.
const tolerance = 0.002

// NewGray returns the transform of gray with the transfer function.
func NewGray(transfer Transfer) *Transform {
	t := &Transform{space: Gray, curves: [3]Transfer{transfer, transfer, transfer}, toRGB: identity}
	t.compile()
	return t
}

// NewRGB returns the transform of RGB with the primaries and transfer function, or [ErrMalformed] if the primaries don't form
// a colour space.
func NewRGB(p Primaries, transfer Transfer) (*Transform, error) {
	toXYZ, ok := p.toXYZ()
	if !ok {
		return nil, ErrMalformed
	}
	return newShaper(fromXYZ.times(toXYZ), [3]Transfer{transfer, transfer, transfer}), nil
}

var identity = matrix{0: 1, 4: 1, 8: 1}

// newShaper returns the transform of RGB with the curves and a matrix to linear sRGB.
func newShaper(toRGB matrix, curves [3]Transfer) *Transform {
	t := &Transform{space: RGB, curves: curves, toRGB: toRGB}
	t.compile()
	return t
}

// compile computes the tables for 8-bit samples.
func (t *Transform) compile() {
	plain := true
	for i, v := range t.toRGB {
		plain = plain && math.Abs(v-identity[i]) <= tolerance
		t.fixed[i] = int(math.Round(math.Max(-8, math.Min(v, 8)) * matrixUnit))
	}
	if plain {
		t.direct = new([3][256]byte)
	}
	for k := range t.linear {
		for i := range t.linear[k] {
			v := unit(t.curves[k](float64(i) / 255))
			t.linear[k][i] = int32(math.Round(v * linearUnit))
			if plain {
				t.direct[k][i] = level(encode(v))
			}
		}
	}
}

// Space returns the colour space that the transform converts from.
func (t *Transform) Space() Space { return t.space }

// Identity reports whether the colours are sRGB already: the transform changes no channel by more than one level.
func (t *Transform) Identity() bool {
	if t.direct == nil {
		return false
	}
	for i := range 256 {
		for k := range t.direct {
			if d := int(t.direct[k][i]) - i; d < -1 || d > 1 {
				return false
			}
		}
	}
	return true
}

// Deep returns tables that convert 16-bit samples to 8-bit samples with the transfer function of sRGB, so that dark and linear
// pictures lose no detail, and the transform for the result. The transform is nil if the result is sRGB. Both are nil for a
// table profile.
func (t *Transform) Deep() (tables *[3][1 << 16]byte, rest *Transform) {
	if t.grid != nil {
		return nil, nil
	}
	tables = new([3][1 << 16]byte)
	for k := range tables {
		if k > 0 && t.space == Gray {
			tables[k] = tables[0]
			continue
		}
		for i := range tables[k] {
			tables[k][i] = level(encodeExtended(unit(t.curves[k](float64(i) / (1<<16 - 1)))))
		}
	}
	rest = newShaper(t.toRGB, [3]Transfer{Linear, Linear, Linear})
	rest.space = t.space
	if rest.Identity() {
		return tables, nil
	}
	return tables, rest
}

// Gray converts samples of gray in place.
func (t *Transform) Gray(row []byte) {
	for i, v := range row {
		row[i] = t.direct[0][v]
	}
}

// RGB converts pixels of four bytes in place. It doesn't change the last byte, alpha; colours must not be premultiplied. A
// transform of gray converts each of the three colour bytes as gray.
func (t *Transform) RGB(row []byte) {
	switch {
	case t.grid != nil:
		t.grid.rgb(row)
	case t.direct != nil:
		for i := 0; i+4 <= len(row); i += 4 {
			p := (*[4]byte)(row[i:])
			p[0], p[1], p[2] = t.direct[0][p[0]], t.direct[1][p[1]], t.direct[2][p[2]]
		}
	default:
		t.shape(row)
	}
}

// shape converts pixels by curves and matrix.
func (t *Transform) shape(row []byte) {
	bytes := encodeBytes()
	m := &t.fixed
	for i := 0; i+4 <= len(row); i += 4 {
		p := (*[4]byte)(row[i:])
		r, g, b := int(t.linear[0][p[0]]), int(t.linear[1][p[1]]), int(t.linear[2][p[2]])
		p[0] = bytes[step(m[0]*r+m[1]*g+m[2]*b)]
		p[1] = bytes[step(m[3]*r+m[4]*g+m[5]*b)]
		p[2] = bytes[step(m[6]*r+m[7]*g+m[8]*b)]
	}
}

// step returns the index in encodeBytes of a sum of products.
func step(sum int) int { return min(max((sum+sumUnit/2)/sumUnit, 0), encodeSteps) }

// CMYK converts a row of inks, where 255 is full ink, to opaque pixels of four bytes.
func (t *Transform) CMYK(dst []byte, inks [4][]byte) { t.grid.cmyk(dst, inks) }
