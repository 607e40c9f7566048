package ssim

import "image"

// cell is the side of the squares whose sums are shared by overlapping windows.
const cell = 4

// sums holds the sums of samples a and b, their squares and their products in a square.
type sums struct{ a, b, aa, bb, ab int32 }

func (s *sums) add(t *sums) {
	s.a += t.a
	s.b += t.b
	s.aa += t.aa
	s.bb += t.bb
	s.ab += t.ab
}

// index returns the SSIM of the n samples in the sums.
func (s *sums) index(n float32) float32 {
	p, q := float32(s.a)/n, float32(s.b)/n
	return Index(p, q, float32(s.aa)/n-p*p, float32(s.bb)/n-q*q, float32(s.ab)/n-p*q)
}

// Windows returns the mean SSIM in square windows of 8x8 samples, at intervals of four samples in both directions. It ranks
// pictures as Gray does, with somewhat higher values, in a fraction of the time and with little memory. It ignores up to
// three columns and rows at the end. It panics if the sizes differ.
func Windows(a, b *image.Gray) float64 {
	size := a.Rect.Size()
	if size != b.Rect.Size() {
		panic("ssim: pictures of different sizes")
	}
	if size.X < 2*cell || size.Y < 2*cell {
		return Gray(a, b)
	}
	across := size.X / cell
	above, row := make([]sums, across), make([]sums, across)
	total := 0.0
	for y := range size.Y / cell {
		sumRow(row, a, b, cell*y)
		if y > 0 {
			total += sumWindows(above, row)
		}
		above, row = row, above
	}
	return total / float64((across-1)*(size.Y/cell-1))
}

// sumRow computes the sums of a row of squares whose first samples are in row y.
func sumRow(row []sums, a, b *image.Gray, y int) {
	clear(row)
	for k := range cell {
		p, q := a.Pix[(y+k)*a.Stride:][:cell*len(row)], b.Pix[(y+k)*b.Stride:][:cell*len(row)]
		for i := range row {
			s := &row[i]
			u, v := (*[cell]byte)(p[cell*i:]), (*[cell]byte)(q[cell*i:])
			for j := range cell {
				m, n := int32(u[j]), int32(v[j])
				s.a += m
				s.b += n
				s.aa += m * m
				s.bb += n * n
				s.ab += m * n
			}
		}
	}
}

// sumWindows returns the sum of the SSIM of the windows over two rows of squares.
func sumWindows(above, row []sums) (total float64) {
	for i := range len(row) - 1 {
		w := above[i]
		w.add(&above[i+1])
		w.add(&row[i])
		w.add(&row[i+1])
		total += float64(w.index(4 * cell * cell))
	}
	return total
}
