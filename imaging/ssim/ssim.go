// Package ssim measures the structural similarity (SSIM) of two pictures, by the index of Wang, Bovik, Sheikh and Simoncelli
// ("Image quality assessment: from error visibility to structural similarity", IEEE Transactions on Image Processing 13,
// 2004), with the Gaussian window and the constants of the paper.
//
// The package imports nothing of the project. Begin with Gray in ssim.go; Windows is a faster approximation.
package ssim

import (
	"image"
	"math"
)

// The window has sides of 11 samples and a standard deviation of 1.5. c1 and c2 are (0.01*255)^2 and (0.03*255)^2.
const (
	radius = 5
	sigma  = 1.5
	c1     = 6.5025
	c2     = 58.5225
)

var window = func() (w [2*radius + 1]float32) {
	sum := 0.0
	for i := range w {
		d := float64(i - radius)
		sum += math.Exp(-d * d / (2 * sigma * sigma))
	}
	for i := range w {
		d := float64(i - radius)
		w[i] = float32(math.Exp(-d*d/(2*sigma*sigma)) / sum)
	}
	return w
}()

// Index returns the SSIM of two sets of samples with means p and q, variances pp and qq, and covariance pq.
func Index[F float32 | float64](p, q, pp, qq, pq F) F {
	return (2*p*q + c1) * (2*pq + c2) / ((p*p + q*q + c1) * (pp + qq + c2))
}

// Gray returns the mean SSIM of two pictures, which is 1 if they are equal. It repeats samples beyond the edges. It panics if
// the sizes differ.
func Gray(a, b *image.Gray) float64 {
	size := a.Rect.Size()
	if size != b.Rect.Size() {
		panic("ssim: pictures of different sizes")
	}
	// maps holds the means of a, b, aa, bb and ab in the window around each sample.
	var maps [5][]float32
	for i := range maps {
		maps[i] = make([]float32, size.X*size.Y)
	}
	for y := range size.Y {
		rowA, rowB := a.Pix[y*a.Stride:][:size.X], b.Pix[y*b.Stride:][:size.X]
		for x := range rowA {
			p, q, at := float32(rowA[x]), float32(rowB[x]), y*size.X+x
			maps[0][at], maps[1][at] = p, q
			maps[2][at], maps[3][at], maps[4][at] = p*p, q*q, p*q
		}
	}
	for i := range maps {
		blur(maps[i], size)
	}
	sum := 0.0
	for i := range maps[0] {
		p, q := float64(maps[0][i]), float64(maps[1][i])
		pp, qq, pq := float64(maps[2][i])-p*p, float64(maps[3][i])-q*q, float64(maps[4][i])-p*q
		sum += Index(p, q, pp, qq, pq)
	}
	return sum / float64(len(maps[0]))
}

// blur applies the window in both directions.
func blur(m []float32, size image.Point) {
	row := make([]float32, size.X+2*radius)
	for y := range size.Y {
		line := m[y*size.X:][:size.X]
		copy(row[radius:], line)
		for i := range radius {
			row[i], row[radius+size.X+i] = line[0], line[size.X-1]
		}
		for x := range line {
			var sum float32
			for k, v := range row[x : x+len(window)] {
				sum += v * window[k]
			}
			line[x] = sum
		}
	}
	// The vertical pass keeps the rows it overwrites in a ring.
	var ring [2*radius + 1][]float32
	for i := range ring {
		ring[i] = make([]float32, size.X)
	}
	at := func(y int) int { return min(max(y, 0), size.Y-1) }
	slot := func(y int) []float32 { return ring[(y+len(ring))%len(ring)] }
	for y := -radius; y < radius; y++ {
		copy(slot(y), m[at(y)*size.X:][:size.X])
	}
	for y := range size.Y {
		copy(slot(y+radius), m[at(y+radius)*size.X:][:size.X])
		line := m[y*size.X:][:size.X]
		clear(line)
		for k, weight := range window {
			for x, v := range slot(y - radius + k)[:len(line)] {
				line[x] += v * weight
			}
		}
	}
}
