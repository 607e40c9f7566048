package ssim_test

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"vitrine/imaging/ssim"
)

// direct computes the SSIM by its definition, with an independent window.
func direct(a, b *image.Gray) float64 {
	size := a.Rect.Size()
	total := 0.0
	for y := range size.Y {
		for x := range size.X {
			var weight, p, q, pp, qq, pq float64
			for dy := -5; dy <= 5; dy++ {
				for dx := -5; dx <= 5; dx++ {
					w := math.Exp(-float64(dx*dx+dy*dy) / 4.5)
					ax, ay := min(max(x+dx, 0), size.X-1), min(max(y+dy, 0), size.Y-1)
					u, v := float64(a.Pix[ay*a.Stride+ax]), float64(b.Pix[ay*b.Stride+ax])
					weight, p, q = weight+w, p+w*u, q+w*v
					pp, qq, pq = pp+w*u*u, qq+w*v*v, pq+w*u*v
				}
			}
			p, q, pp, qq, pq = p/weight, q/weight, pp/weight, qq/weight, pq/weight
			pp, qq, pq = pp-p*p, qq-q*q, pq-p*q
			total += (2*p*q + 6.5025) * (2*pq + 58.5225) / ((p*p + q*q + 6.5025) * (pp + qq + 58.5225))
		}
	}
	return total / float64(size.X*size.Y)
}

func noisy(m *image.Gray, amount int) *image.Gray {
	out := image.NewGray(m.Rect)
	r := rand.New(rand.NewPCG(3, uint64(amount)))
	for i, v := range m.Pix {
		out.Pix[i] = byte(min(max(int(v)+r.IntN(2*amount+1)-amount, 0), 255))
	}
	return out
}

func TestGray(t *testing.T) {
	t.Parallel()
	plain := image.NewGray(image.Rect(0, 0, 37, 23))
	for i := range plain.Pix {
		plain.Pix[i] = byte(5 * (i%37 + i/37))
	}
	if got := ssim.Gray(plain, plain); math.Abs(got-1) > 1e-9 {
		t.Errorf("SSIM of equal pictures is %v", got)
	}
	last := 1.0
	for _, amount := range []int{2, 10, 40, 120} {
		other := noisy(plain, amount)
		got, want := ssim.Gray(plain, other), direct(plain, other)
		if math.Abs(got-want) > 1e-3 {
			t.Errorf("noise of %d: %.5f, want %.5f by the definition", amount, got, want)
		}
		if got >= last {
			t.Errorf("noise of %d: %.5f, want less than the %.5f of less noise", amount, got, last)
		}
		last = got
	}
}
