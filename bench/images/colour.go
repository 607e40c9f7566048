package main

import (
	"bytes"
	"image"
	"image/color"
	"slices"

	"golang.org/x/image/webp"

	"vitrine/imaging/imagingtest"
)

// colours are the red, green and blue planes of a picture.
type colours [3]*image.Gray

// colourPlanes returns the planes of the picture.
func colourPlanes(m image.Image) (c colours) {
	b := m.Bounds()
	for k := range c {
		c[k] = image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	}
	for y := range b.Dy() {
		for x := range b.Dx() {
			r, g, bl, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
			at := y*b.Dx() + x
			c[0].Pix[at], c[1].Pix[at], c[2].Pix[at] = byte(r>>8), byte(g>>8), byte(bl>>8)
		}
	}
	return c
}

// scaled returns the planes at another size.
func (c colours) scaled(size image.Point) (out colours) {
	for k, p := range c {
		out[k] = scaled(p, size)
	}
	return out
}

// lab returns the colour of pixel i in CIELAB.
func (c colours) lab(i int) imagingtest.Lab {
	return imagingtest.LabFromSRGB(float64(c[0].Pix[i]), float64(c[1].Pix[i]), float64(c[2].Pix[i]))
}

// difference returns the mean and the 95th percentile of CIEDE2000 between two pictures
// of the same size, over every 7th pixel.
func (c colours) difference(other colours) (mean, high float64) {
	var list []float64
	for i := 0; i < len(c[0].Pix); i += 7 {
		d := imagingtest.CIEDE2000(c.lab(i), other.lab(i))
		list = append(list, d)
		mean += d
	}
	slices.Sort(list)
	return mean / float64(len(list)), list[len(list)*95/100]
}

// planar returns the picture as the pipeline encodes it: YCbCr of JFIF in 4:2:0.
func (c colours) planar() *image.YCbCr {
	size := c[0].Rect.Size()
	m := image.NewYCbCr(c[0].Rect, image.YCbCrSubsampleRatio420)
	sums := make([][3]int, len(m.Cb))
	for i := range c[0].Pix {
		y, cb, cr := color.RGBToYCbCr(c[0].Pix[i], c[1].Pix[i], c[2].Pix[i])
		m.Y[i] = y
		s := &sums[m.COffset(i%size.X, i/size.X)]
		s[0], s[1], s[2] = s[0]+int(cb), s[1]+int(cr), s[2]+1
	}
	for i, s := range sums {
		m.Cb[i], m.Cr[i] = byte(s[0]/s[2]), byte(s[1]/s[2])
	}
	return m
}

// decodeWebP decodes a WebP. It widens the planes of a lossy one from the limited range
// of BT.601 to the full range of JPEG.
func decodeWebP(body []byte) (image.Image, error) {
	m, err := webp.Decode(bytes.NewReader(body))
	p, lossy := m.(*image.YCbCr)
	if err != nil || !lossy {
		return m, err
	}
	widen := func(plane []byte, low, zero, span float64) {
		for i, v := range plane {
			plane[i] = byte(min(max((float64(v)-low)*255/span+zero+0.5, 0), 255))
		}
	}
	widen(p.Y, 16, 0, 219)
	widen(p.Cb, 128, 128, 224)
	widen(p.Cr, 128, 128, 224)
	return p, nil
}
