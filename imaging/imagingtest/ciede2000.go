package imagingtest

import "math"

// Lab is a colour in CIE L*a*b* with the white point D65.
type Lab struct{ L, A, B float64 }

// LabFromSRGB converts stored sRGB values (IEC 61966-2-1) from 0 to 255.
func LabFromSRGB(r, g, b float64) Lab {
	linear := func(v float64) float64 {
		if v /= 255; v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	r, g, b = linear(r), linear(g), linear(b)
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124564*r + 0.3575761*g + 0.1804375*b) / 0.95047)
	y := f(0.2126729*r + 0.7151522*g + 0.0721750*b)
	z := f((0.0193339*r + 0.1191920*g + 0.9503041*b) / 1.08883)
	return Lab{L: 116*y - 16, A: 500 * (x - y), B: 200 * (y - z)}
}

// CIEDE2000 returns the difference of two colours (Sharma, Wu, Dalal, "The CIEDE2000
// Color-Difference Formula", 2005). From about 1 on it is visible where the colours touch.
func CIEDE2000(p, q Lab) float64 {
	mean7 := math.Pow((math.Hypot(p.A, p.B)+math.Hypot(q.A, q.B))/2, 7)
	g := 0.5 * (1 - math.Sqrt(mean7/(mean7+math.Pow(25, 7))))
	c1, h1 := polar(p.A*(1+g), p.B)
	c2, h2 := polar(q.A*(1+g), q.B)
	dh, mean := h2-h1, (h1+h2)/2
	switch {
	case c1*c2 == 0:
		dh, mean = 0, h1+h2
	case dh > 180:
		dh -= 360
		mean = around(mean)
	case dh < -180:
		dh += 360
		mean = around(mean)
	}
	dL, dC, dH := q.L-p.L, c2-c1, 2*math.Sqrt(c1*c2)*math.Sin(radians(dh/2))
	l, c := (p.L+q.L)/2-50, (c1+c2)/2
	t := 1 - 0.17*math.Cos(radians(mean-30)) + 0.24*math.Cos(radians(2*mean)) +
		0.32*math.Cos(radians(3*mean+6)) - 0.20*math.Cos(radians(4*mean-63))
	c7 := math.Pow(c, 7)
	bend := (mean - 275) / 25
	turn := -math.Sin(radians(60*math.Exp(-bend*bend))) * 2 * math.Sqrt(c7/(c7+math.Pow(25, 7)))
	dL /= 1 + 0.015*l*l/math.Sqrt(20+l*l)
	dC /= 1 + 0.045*c
	dH /= 1 + 0.015*c*t
	return math.Sqrt(dL*dL + dC*dC + dH*dH + turn*dC*dH)
}

// around returns the opposite of a mean angle, in degrees.
func around(mean float64) float64 {
	if mean < 180 {
		return mean + 180
	}
	return mean - 180
}

// polar returns the chroma, and the hue in degrees.
func polar(a, b float64) (c, h float64) {
	h = math.Atan2(b, a) * 180 / math.Pi
	if h < 0 {
		h += 360
	}
	return math.Hypot(a, b), h
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
