package icc

import "math"

// matrix is a 3x3 matrix, row by row.
type matrix [9]float64

// times returns the product of m and n.
func (m matrix) times(n matrix) (out matrix) {
	for i := range out {
		for k := range 3 {
			out[i] += m[i/3*3+k] * n[3*k+i%3]
		}
	}
	return out
}

// apply returns the product of m and the column v.
func (m matrix) apply(v [3]float64) (out [3]float64) {
	for i := range out {
		out[i] = m[3*i]*v[0] + m[3*i+1]*v[1] + m[3*i+2]*v[2]
	}
	return out
}

// inverse returns the inverse of m, or false if m is nearly singular.
func (m matrix) inverse() (out matrix, ok bool) {
	cofactor := func(i int) float64 {
		r, c := i/3, i%3
		at := func(dr, dc int) float64 { return m[(r+dr)%3*3+(c+dc)%3] }
		return at(1, 1)*at(2, 2) - at(1, 2)*at(2, 1)
	}
	det := 0.0
	for i := range 3 {
		det += m[i] * cofactor(i)
	}
	if !(math.Abs(det) > 1e-9) {
		return out, false
	}
	for i := range out {
		out[i] = cofactor(i%3*3+i/3) / det
	}
	return out, true
}

// bradford converts XYZ to the cone responses that chromatic adaptation scales (ICC.1:2022, annex E).
var bradford = matrix{0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296}

// fromXYZ converts XYZ relative to D50 to linear sRGB.
var fromXYZ = func() matrix {
	m, _ := SRGB.toXYZ()
	inverse, _ := m.inverse()
	return inverse
}()

// Primaries holds the chromaticities x, y of an RGB space.
type Primaries struct{ White, Red, Green, Blue [2]float64 }

// The primaries of well-known spaces (IEC 61966-2-1, SMPTE EG 432-1, ITU-R BT.2020-2), all with D65.
var (
	SRGB      = Primaries{d65, [2]float64{0.64, 0.33}, [2]float64{0.3, 0.6}, [2]float64{0.15, 0.06}}
	DisplayP3 = Primaries{d65, [2]float64{0.68, 0.32}, [2]float64{0.265, 0.69}, [2]float64{0.15, 0.06}}
	BT2020    = Primaries{d65, [2]float64{0.708, 0.292}, [2]float64{0.17, 0.797}, [2]float64{0.131, 0.046}}
)

var d65 = [2]float64{0.3127, 0.329}

// toXYZ returns the matrix from linear RGB to XYZ relative to D50, or false if the chromaticities don't form a colour space.
func (p Primaries) toXYZ() (m matrix, ok bool) {
	for i, xy := range [3][2]float64{p.Red, p.Green, p.Blue} {
		xyz, ok := fromChromaticity(xy)
		if !ok {
			return m, false
		}
		m[i], m[3+i], m[6+i] = xyz[0], xyz[1], xyz[2]
	}
	white, ok := fromChromaticity(p.White)
	inverse, invertible := m.inverse()
	if !ok || !invertible {
		return m, false
	}
	scale := inverse.apply(white)
	for i := range m {
		m[i] *= scale[i%3]
	}
	back, _ := bradford.inverse()
	from, to := bradford.apply(white), bradford.apply(d50)
	adapt := matrix{0: to[0] / from[0], 4: to[1] / from[1], 8: to[2] / from[2]}
	m = back.times(adapt).times(bradford).times(m)
	for _, v := range m {
		if !(math.Abs(v) < 100) {
			return m, false
		}
	}
	return m, true
}

// fromChromaticity returns the XYZ of a chromaticity with Y of 1, or false if y is too small.
func fromChromaticity(xy [2]float64) (xyz [3]float64, ok bool) {
	if !(xy[1] > 1e-3) {
		return xyz, false
	}
	return [3]float64{xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]}, true
}
