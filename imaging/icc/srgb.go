package icc

import (
	"math"
	"sync"
)

// Linear is the transfer function of sRGB (IEC 61966-2-1).
func Linear(x float64) float64 {
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

// encode is the inverse of Linear.
func encode(x float64) float64 {
	if x <= 0.0031308 {
		return 12.92 * x
	}
	return 1.055*math.Pow(x, 1/2.4) - 0.055
}

// encodeSteps is the number of steps of linear light in encodeBytes. Near black a step is 0.2 of a level.
const encodeSteps = 1 << 14

// encodeBytes returns the table of sRGB bytes by linear light.
var encodeBytes = sync.OnceValue(func() *[encodeSteps + 1]byte {
	table := new([encodeSteps + 1]byte)
	for i := range table {
		table[i] = level(encode(float64(i) / encodeSteps))
	}
	return table
})

// level returns v as a byte.
func level(v float64) byte { return byte(math.Round(255 * unit(v))) }

// extendedSteps is the number of steps of linear light from 0 to 1 in extended.
const extendedSteps = 4096

// extended returns the table for encodeExtended.
var extended = sync.OnceValue(func() *[2*extendedSteps + 2]float32 {
	table := new([2*extendedSteps + 2]float32)
	for i := range table {
		table[i] = float32(encode(float64(i) / extendedSteps))
	}
	return table
})

// encodeExtended is encode extended to light from -2 to 2 as an odd function, with an error of up to 2e-5. Interpolation
// between the colours of a table needs colours outside sRGB.
func encodeExtended(x float64) float64 {
	table := extended()
	at := min(math.Abs(x), 2) * extendedSteps
	i := int(at)
	part := at - float64(i)
	return math.Copysign(float64(table[i])*(1-part)+float64(table[i+1])*part, x)
}

// d50 is the white point of the connection space.
var d50 = [3]float64{0.9642, 1, 0.8249}

// lightness returns the luminance of L*/100.
func lightness(l float64) float64 { return inverseF((100*l + 16) / 116) }

// labToXYZ converts L*a*b*, with L* from 0 to 100, to XYZ (ISO 13655).
func labToXYZ(l, a, b float64) [3]float64 {
	y := (l + 16) / 116
	return [3]float64{d50[0] * inverseF(y+a/500), d50[1] * inverseF(y), d50[2] * inverseF(y-b/200)}
}

// inverseF is the inverse of the function f of L*a*b*.
func inverseF(t float64) float64 {
	if t > 6.0/29 {
		return t * t * t
	}
	return (t - 16.0/116) * 3 * 36 / 841
}
