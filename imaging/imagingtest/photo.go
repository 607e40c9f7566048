package imagingtest

import (
	"image"
	"math"
)

// Photo draws a landscape that compresses like a photograph: a smooth sky, textured hills
// with edges between them, and the grain of a sensor.
func Photo(w, h int, seed int64) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	n := noise{seed: uint64(seed)}
	unit := 1 / float64(max(w, h))
	top := float64(h) * unit
	ridges := make([]float64, hills)
	for x := range w {
		u := float64(x) * unit
		for k := range ridges {
			f := float64(k)
			ridges[k] = top * (0.38 + 0.13*f + 0.16*(n.fractal(u*(2+f)+40*f, f*9+0.5, 5)-0.5))
		}
		for y := range h {
			v := float64(y) * unit
			r, g, b := scene(&n, ridges, u, v, v/top)
			grain := (n.at(x*7919, y*104729) - 0.5) * 0.03
			p := m.Pix[y*m.Stride+4*x:]
			p[0], p[1], p[2], p[3] = level(r+grain), level(g+grain), level(b+grain), 255
		}
	}
	return m
}

const hills = 4

// scene returns the colour at u, v. depth is the position in the height of the picture.
func scene(n *noise, ridges []float64, u, v, depth float64) (r, g, b float64) {
	for k := len(ridges) - 1; k >= 0; k-- {
		if v < ridges[k] {
			continue
		}
		near := float64(k+1) / float64(len(ridges))
		texture := n.fractal(u*60*near+11, v*90*near+float64(k)*7, 5) - 0.5
		shade := 0.9 - 0.45*near + 0.55*texture
		return shade * (0.62 - 0.22*near), shade * (0.72 + 0.1*near), shade * (0.66 - 0.42*near)
	}
	cloud := n.fractal(u*5, v*14+3, 5)
	cloud = math.Max(0, cloud-0.5) * 1.9
	sun := math.Exp(-60 * ((u-0.7)*(u-0.7) + (v-0.12)*(v-0.12)))
	r, g, b = 0.35+0.4*depth, 0.55+0.3*depth, 0.88
	return r + (1-r)*cloud + 0.6*sun, g + (1-g)*cloud + 0.45*sun, b + (1-b)*cloud + 0.1*sun
}

func level(v float64) byte { return byte(math.Min(math.Max(v, 0), 1)*255 + 0.5) }

// noise is value noise: random values on a grid with smooth interpolation.
type noise struct{ seed uint64 }

// at returns the value at a grid point, from 0 to 1, with the mixer of SplitMix64.
func (n *noise) at(x, y int) float64 {
	z := n.seed + uint64(x)*0x9e3779b97f4a7c15 + uint64(y)*0xc2b2ae3d27d4eb4f
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

func (n *noise) smooth(x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	x, y = x-fx, y-fy
	x, y = x*x*(3-2*x), y*y*(3-2*y)
	a, b := n.at(ix, iy), n.at(ix+1, iy)
	c, d := n.at(ix, iy+1), n.at(ix+1, iy+1)
	return a + (b-a)*x + (c-a+(a-b-c+d)*x)*y
}

// fractal adds octaves, each twice as fine and half as strong. The result is from 0 to 1.
func (n *noise) fractal(x, y float64, octaves int) float64 {
	sum, total, weight := 0.0, 0.0, 1.0
	for range octaves {
		sum += weight * n.smooth(x, y)
		total += weight
		x, y, weight = 2*x+17, 2*y+29, weight/2
	}
	return sum / total
}
