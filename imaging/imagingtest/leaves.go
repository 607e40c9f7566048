package imagingtest

import (
	"image"
	"math"
	"math/rand/v2"
)

// Leaves draws a picture with the statistics of nature photographs: shaded and textured
// objects of all sizes that hide each other, with the same total area for each size (the dead
// leaves model: Lee, Mumford and Huang, "Occlusion Models for Natural Images", 2001), in
// front of a sky, with the blur of a lens and the grain of a sensor.
func Leaves(w, h int, seed int64) *image.NRGBA {
	l := leaves{
		w: w, h: h, noise: noise{seed: uint64(seed)}, random: rand.New(rand.NewPCG(uint64(seed), 7)),
		leaf: make([]int32, w*h),
	}
	l.fall()
	return l.photograph()
}

// leaves is a scene. leaf is the number of the object, from 1, that each pixel shows; 0 is
// the sky.
type leaves struct {
	w, h   int
	noise  noise
	random *rand.Rand
	leaf   []int32
	all    []leaf
}

// leaf is an object: an ellipse.
type leaf struct {
	x, y, r       float64 // centre and half the width, in pixels
	slant, flat   float64 // of the longer axis, and the ratio of the axes
	colour        [3]float64
	light         float64 // by which the top is brighter than the bottom
	texture, fine float64 // strength and finest detail of its surface
}

// fall places objects, nearest first, until most of the picture is covered. The sky at the
// top stays free.
func (l *leaves) fall() {
	longer := float64(max(l.w, l.h))
	least, most := max(longer/400, 1), longer/4
	free := int(0.72 * float64(l.w*l.h))
	for range 60 * l.w * l.h / int(least*least) {
		if free <= 0 {
			return
		}
		// The inverse of a density of r^-3 between the bounds.
		u := l.random.Float64()
		r := 1 / math.Sqrt((1-u)/(least*least)+u/(most*most))
		horizon := 0.25 + 0.2*l.random.Float64()
		d := leaf{
			x: l.random.Float64() * float64(l.w), y: (horizon + (1.1-horizon)*l.random.Float64()) * float64(l.h), r: r,
			slant: l.random.Float64() * math.Pi, flat: 0.3 + 0.7*l.random.Float64(),
			light: 0.25 * l.random.Float64(), texture: 0.25 * l.random.Float64() * l.random.Float64(),
			fine: math.Exp2(5 * l.random.Float64()),
		}
		l.paint(&d)
		l.all = append(l.all, d)
		free -= l.cover(d, int32(len(l.all)))
	}
}

// hues lists each hue as often as it occurs.
var hues = [][3]float64{
	{0.7, 1, 0.45}, {0.7, 1, 0.45}, {0.7, 1, 0.45}, // leaves
	{1, 0.8, 0.55}, {1, 0.8, 0.55}, // bark
	{1, 0.97, 0.92}, {1, 0.97, 0.92}, // stone
	{1, 0.5, 0.4}, // petals
	{0.6, 0.7, 1}, // water
}

// paint chooses one of the hues, lighter or darker.
func (l *leaves) paint(d *leaf) {
	value := 0.12 + 0.7*l.random.Float64()*l.random.Float64()
	hue := hues[l.random.IntN(len(hues))]
	for i := range d.colour {
		d.colour[i] = value * (hue[i] + 0.1*(l.random.Float64()-0.5))
	}
}

// cover marks the visible pixels of an object and returns their number.
func (l *leaves) cover(d leaf, id int32) (n int) {
	sin, cos := math.Sincos(d.slant)
	for y := max(0, int(d.y-d.r)); y < min(l.h, int(d.y+d.r)+1); y++ {
		for x := max(0, int(d.x-d.r)); x < min(l.w, int(d.x+d.r)+1); x++ {
			dx, dy := float64(x)-d.x, float64(y)-d.y
			along, across := dx*cos+dy*sin, (dy*cos-dx*sin)/d.flat
			if p := &l.leaf[y*l.w+x]; *p == 0 && along*along+across*across <= d.r*d.r {
				*p = id
				n++
			}
		}
	}
	return n
}

// light returns the light that a pixel of the scene emits.
func (l *leaves) light(x, y int) (c [3]float64) {
	id := l.leaf[y*l.w+x]
	longer := float64(max(l.w, l.h))
	u, v := float64(x)/longer, float64(y)/longer
	if id == 0 {
		cloud := math.Max(0, l.noise.fractal(u*4, v*9+3, 5)-0.5) * 1.6
		for i, sky := range [3]float64{0.36, 0.56, 0.86} {
			c[i] = sky + 0.3*v + (0.9-sky)*cloud
		}
		return c
	}
	d := &l.all[id-1]
	shade := 1 - d.light*(float64(y)-d.y)/d.r
	if d.texture > 0.01 {
		f := 20 * d.fine
		shade += 2 * d.texture * (l.noise.fractal(u*f+float64(id), v*f, 4) - 0.5)
	}
	for i := range c {
		c[i] = d.colour[i] * shade
	}
	return c
}

// photograph returns the scene with the blur of a lens, of about a pixel, and the grain of a
// sensor.
func (l *leaves) photograph() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, l.w, l.h))
	rows := make([][]float64, 3) // of light, each pixel three values, blurred across
	row := func(y int) []float64 { return l.row(min(max(y, 0), l.h-1)) }
	rows[1], rows[2] = row(0), row(0)
	for y := range l.h {
		rows[0], rows[1], rows[2] = rows[1], rows[2], row(y+1)
		out := m.Pix[y*m.Stride : y*m.Stride+4*l.w]
		for x := range l.w {
			for i := range 3 {
				at := 3*x + i
				out[4*x+i] = level((rows[0][at] + 2*rows[1][at] + rows[2][at]) / 4)
			}
			out[4*x+3] = 255
		}
	}
	return m
}

func (l *leaves) row(y int) []float64 {
	sharp := make([]float64, 3*l.w)
	for x := range l.w {
		c := l.light(x, y)
		grain := (l.noise.at(x*7919, y*104729) - 0.5) * 0.05
		for i := range c {
			sharp[3*x+i] = c[i] + grain*math.Sqrt(math.Max(c[i], 0.02))
		}
	}
	soft := make([]float64, len(sharp))
	for at := range sharp {
		soft[at] = (sharp[max(at-3, at%3)] + 2*sharp[at] + sharp[min(at+3, len(sharp)-3+at%3)]) / 4
	}
	return soft
}
