package icc_test

import "math"

// The functions in this file convert colours to sRGB in floating point by the definitions of their spaces, without profiles.

type vec [3]float64

type rows [3]vec

func (m rows) apply(v vec) (out vec) {
	for i := range out {
		out[i] = m[i][0]*v[0] + m[i][1]*v[1] + m[i][2]*v[2]
	}
	return out
}

// Linear RGB to XYZ, and XYZ to linear sRGB, both relative to D65 (W3C CSS Color 4, sample code).
var (
	p3ToXYZ    = rows{{0.4865709, 0.2656677, 0.1982173}, {0.2289746, 0.6917385, 0.0792869}, {0, 0.0451134, 1.0439444}}
	adobeToXYZ = rows{{0.5766690, 0.1855582, 0.1882286}, {0.2973450, 0.6273636, 0.0752915}, {0.0270314, 0.0706889, 0.9913375}}
	srgbToXYZ  = rows{{0.4123908, 0.3575843, 0.1804808}, {0.2126390, 0.7151687, 0.0721923}, {0.0193308, 0.1191948, 0.9505322}}
	bt2020XYZ  = rows{{0.6369580, 0.1446169, 0.1688810}, {0.2627002, 0.6779981, 0.0593017}, {0, 0.0280727, 1.0609851}}
	photoToXYZ = rows{{0.7977605, 0.1351858, 0.0313493}, {0.2880711, 0.7118432, 0.0000857}, {0, 0, 0.8251046}} // D50
	d50ToD65   = rows{{0.9554734, -0.0230985, 0.0632593}, {-0.0283697, 1.0099954, 0.0210414}, {0.0123140, -0.0205076, 1.3303659}}
	xyzToSRGB  = rows{{3.2409699, -1.5373832, -0.4986108}, {-0.9692436, 1.8759675, 0.0415551}, {0.0556301, -0.2039770, 1.0569715}}
)

func fromSRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func toSRGB(v float64) float64 {
	switch {
	case v <= 0:
		return 0
	case v >= 1:
		return 1
	case v <= 0.0031308:
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func power(gamma float64) func(float64) float64 {
	return func(v float64) float64 { return math.Pow(v, gamma) }
}

func fromROMM(v float64) float64 {
	if v <= 16.0/512 {
		return v / 16
	}
	return math.Pow(v, 1.8)
}

// reference returns the sRGB values, from 0 to 255, of a colour from 0 to 1.
func reference(toXYZ rows, transfer func(float64) float64, v vec) (out vec) {
	for i := range v {
		v[i] = transfer(v[i])
	}
	xyz := toXYZ.apply(v)
	if toXYZ == photoToXYZ {
		xyz = d50ToD65.apply(xyz)
	}
	for i, x := range xyzToSRGB.apply(xyz) {
		out[i] = 255 * toSRGB(x)
	}
	return out
}

// labReference returns the sRGB values, from 0 to 255, of L*a*b* relative to D50.
func labReference(lab [3]float64) (out vec) {
	inverse := func(t float64) float64 {
		if t > 6.0/29 {
			return t * t * t
		}
		return (116*t - 16) / (24389.0 / 27)
	}
	y := (lab[0] + 16) / 116
	xyz := vec{0.9642957 * inverse(y+lab[1]/500), inverse(y), 0.8251046 * inverse(y-lab[2]/200)}
	for i, x := range xyzToSRGB.apply(d50ToD65.apply(xyz)) {
		out[i] = 255 * toSRGB(x)
	}
	return out
}

// inkLab models a fictitious press with paper of L* 94 and inks that multiply. It returns L*a*b* relative to the paper.
func inkLab(in []float64) [3]float64 {
	light := func(absorbed ...float64) float64 {
		v := 1.0
		for i, a := range absorbed {
			v *= 1 - a*in[i]
		}
		return v
	}
	r, g, b := light(0.95, 0.1, 0.02, 0.97), light(0.35, 0.9, 0.05, 0.97), light(0.12, 0.45, 0.92, 0.96)
	y := 0.25*r + 0.65*g + 0.1*b
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	return [3]float64{116*f(y) - 16, 300 * (f(0.7*r+0.3*g) - f(y)), 120 * (f(y) - f(b))}
}

// displayLab models a Display P3 display. It returns L*a*b*.
func displayLab(in []float64) [3]float64 {
	var v vec
	for i := range v {
		v[i] = fromSRGB(in[i])
	}
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	toD50 := rows{{1.0479298, 0.0229469, -0.0501923}, {0.0296278, 0.9904345, -0.0170738}, {-0.0092430, 0.0150552, 0.7518743}}
	xyz := toD50.apply(p3ToXYZ.apply(v))
	x, y, z := f(xyz[0]/0.9642957), f(xyz[1]), f(xyz[2]/0.8251046)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}
