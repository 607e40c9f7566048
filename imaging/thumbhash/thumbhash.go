// Package thumbhash encodes ThumbHashes: placeholders of up to 25 bytes that clients show until a picture has loaded.
//
// The format is by Evan Wallace (https://evanw.github.io/thumbhash/). A hash holds brightness, two colour differences and
// alpha as a few terms of a cosine transform, four bits each, and the approximate aspect ratio.
//
// The package imports nothing of the project. Begin with Encode.
package thumbhash

import (
	"image"
	"math"
)

// Side is the recommended length in pixels of the longer side of a picture for Encode. More pixels only take longer, because
// the finest detail in a hash is a seventh of the picture.
const Side = 32

// Encode returns the hash of m, which must not be empty. The hash has 5 to 25 bytes.
func Encode(m *image.RGBA) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	channels, opaque := split(m)
	limit := 7.0 // brightness has fewer terms if alpha has some
	if !opaque {
		limit = 5
	}
	longer := float64(max(w, h))
	lx := max(1, int(math.Round(limit*float64(w)/longer)))
	ly := max(1, int(math.Round(limit*float64(h)/longer)))
	l := transform(channels[0], w, h, max(lx, 3), max(ly, 3))
	p := transform(channels[1], w, h, 3, 3)
	q := transform(channels[2], w, h, 3, 3)

	head := level(l.mean, 63) | level(0.5+p.mean/2, 63)<<6 | level(0.5+q.mean/2, 63)<<12 | level(l.scale, 31)<<18
	tail := level(p.scale, 63)<<3 | level(q.scale, 63)<<9
	if w > h {
		tail |= uint32(ly) | 1<<15
	} else {
		tail |= uint32(lx)
	}
	all := []terms{l, p, q}
	if !opaque {
		head |= 1 << 23
	}
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(tail), byte(tail >> 8)}
	if !opaque {
		a := transform(channels[3], w, h, 5, 5)
		hash = append(hash, byte(level(a.mean, 15)|level(a.scale, 15)<<4))
		all = append(all, a)
	}
	return appendTerms(hash, all)
}

// appendTerms appends the varying terms, two per byte.
func appendTerms(hash []byte, all []terms) []byte {
	odd := false
	for _, t := range all {
		for _, v := range t.varying {
			u := byte(level(0.5+v/2, 15))
			if t.scale == 0 {
				u = 0
			}
			if odd {
				hash[len(hash)-1] |= u << 4
			} else {
				hash = append(hash, u)
			}
			odd = !odd
		}
	}
	return hash
}

// level returns v, from 0 to 1, as a whole number of steps.
func level(v, steps float64) uint32 { return uint32(math.Round(v * steps)) }

// split returns brightness, yellow minus blue, red minus green, and alpha. It shows the picture on its
// mean colour, so that transparent areas contribute little to the other terms.
func split(m *image.RGBA) (channels [4][]float64, opaque bool) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for i := range channels {
		channels[i] = make([]float64, w*h)
	}
	mean := Mean(m)
	opaque = true
	for i := range w * h {
		px := (*[4]byte)(m.Pix[i/w*m.Stride+i%w*4:])
		behind := float64(255 - px[3])
		r := (mean[0]*behind + float64(px[0])) / 255
		g := (mean[1]*behind + float64(px[1])) / 255
		b := (mean[2]*behind + float64(px[2])) / 255
		channels[0][i] = (r + g + b) / 3
		channels[1][i] = (r+g)/2 - b
		channels[2][i] = r - g
		channels[3][i] = float64(px[3]) / 255
		opaque = opaque && px[3] == 255
	}
	return channels, opaque
}

// Mean returns the mean of the stored red, green and blue values, from 0 to 1, with each pixel weighted by its alpha. The
// mean of a fully transparent picture is black.
func Mean(m *image.RGBA) (mean [3]float64) {
	var sum [4]int
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
		for i, v := range row {
			sum[i%4] += int(v)
		}
	}
	for i := range mean {
		mean[i] = float64(sum[i]) / float64(max(sum[3], 1))
	}
	return mean
}

// terms holds a transformed channel.
type terms struct {
	mean    float64
	varying []float64 // from -1 to 1, in units of scale
	scale   float64   // largest magnitude of the varying terms
}

// transform returns the terms of the lowest nx by ny frequencies that lie in the triangle below the diagonal.
func transform(channel []float64, w, h, nx, ny int) (t terms) {
	across, down := cosines(w, nx), cosines(h, ny)
	rows := make([]float64, nx*h) // the transform is separable
	for i := range rows {
		for x, c := range across[i%nx] {
			rows[i] += channel[i/nx*w+x] * c
		}
	}
	for cy := range ny {
		for cx := 0; cx*ny < nx*(ny-cy); cx++ {
			f := 0.0
			for y, c := range down[cy] {
				f += rows[y*nx+cx] * c
			}
			f /= float64(w * h)
			if cx == 0 && cy == 0 {
				t.mean = f
				continue
			}
			t.varying = append(t.varying, f)
			t.scale = max(t.scale, math.Abs(f))
		}
	}
	if t.scale < 1e-9 { // only rounding errors
		t.scale = 0
		return t
	}
	for i := range t.varying {
		t.varying[i] /= t.scale
	}
	return t
}

// cosines returns the first n waves of the cosine transform of the given size.
func cosines(size, n int) [][]float64 {
	list := make([][]float64, n)
	for k := range list {
		list[k] = make([]float64, size)
		for i := range list[k] {
			list[k][i] = math.Cos(math.Pi / float64(size) * float64(k) * (float64(i) + 0.5))
		}
	}
	return list
}
