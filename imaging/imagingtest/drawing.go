package imagingtest

import (
	"image"
	"image/color"
	"math"
)

// Logo draws a ring and a bar with soft edges on a transparent background.
func Logo(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	unit := float64(min(w, h))
	cx, cy := float64(w)/2, float64(h)/2
	for y := range h {
		for x := range w {
			dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy
			ring := 0.09*unit - math.Abs(math.Hypot(dx, dy)-0.36*unit)
			bar := 0.07*unit - math.Abs(dx+dy)/math.Sqrt2
			bar = math.Min(bar, 0.25*unit-math.Abs(dx-dy)/math.Sqrt2)
			c := color.NRGBA{R: 0x1b, G: 0x6e, B: 0xc2}
			if bar > ring {
				c = color.NRGBA{R: 0xe8, G: 0x5d, B: 0x2a}
			}
			c.A = level(math.Max(ring, bar) + 0.5)
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// Graphic draws a bar chart in a few flat colours, opaque.
func Graphic(w, h int) *image.NRGBA {
	colours := []color.NRGBA{
		{0x26, 0x46, 0x53, 255}, {0x2a, 0x9d, 0x8f, 255}, {0xe9, 0xc4, 0x6a, 255}, {0xe7, 0x6f, 0x51, 255},
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	const bars = 7
	for y := range h {
		for x := range w {
			k := x * bars / w
			height := h * (3 + k*k%5*2) / 14
			c := color.NRGBA{0xfa, 0xfa, 0xf5, 255}
			switch {
			case y > h-height && x*bars%w < w*4/5:
				c = colours[k%len(colours)]
			case y*10%h < 10:
				c = color.NRGBA{0xcc, 0xcc, 0xc4, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// Corners draws a grey picture with a different colour in each corner: red, green, blue and
// white, clockwise from the top left.
func Corners(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{0x60, 0x60, 0x60, 255}
			left, right := x < w/3, x >= w-w/3
			top, bottom := y < h/3, y >= h-h/3
			switch {
			case top && left:
				c = color.NRGBA{0xf0, 0x10, 0x10, 255}
			case top && right:
				c = color.NRGBA{0x10, 0xf0, 0x10, 255}
			case bottom && right:
				c = color.NRGBA{0x10, 0x10, 0xf0, 255}
			case bottom && left:
				c = color.NRGBA{0xf0, 0xf0, 0xf0, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// Stripes draws a chequered pattern of two colours with the same luma, in fields of six by
// six pixels that fade into each other.
func Stripes(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			k := math.Sin(float64(x)*math.Pi/6) * math.Sin(float64(y)*math.Pi/6)
			p := m.Pix[y*m.Stride+4*x:]
			p[0], p[1], p[2], p[3] = level(0.5+0.4*k), level(0.5-0.2037*k), 128, 255
		}
	}
	return m
}
