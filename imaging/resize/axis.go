// Package resize scales pictures of 8-bit samples down, fast and in little
// memory, with the Catmull-Rom kernel (B=0, C=1/2 of Mitchell and Netravali,
// "Reconstruction Filters in Computer Graphics", 1988) or Lanczos's of three lobes,
// widened to the ratio, so that nothing aliases.
//
// It works in fixed point. The vertical pass comes first, because it can take
// eight samples of a row at a time as lanes of 64-bit words; the horizontal pass
// then has to touch only as many rows as the result has, two of them at once.
package resize

import "math"

// Coefficients have 14 fractional bits; samples between the passes keep 6, which
// leaves room for the kernel's overshoot in 16 bits.
const (
	coefBits = 14
	midBits  = 6
)

// Kernel is the weight of a source sample by its distance.
type Kernel struct {
	support float64 // in samples either side
	weight  func(distance float64) float64
}

// The kernels. CatmullRom rings the least at hard edges, which suits drawings;
// Lanczos has three lobes, takes half as much work again and keeps more detail,
// which suits photographs, above all where one step of scaling follows another.
var (
	CatmullRom = Kernel{2, catmullRom}
	Lanczos    = Kernel{3, lanczos}
)

// Axis says which stretch of the source a destination sample covers along one
// direction: sample i covers [Offset+i*Scale, Offset+(i+1)*Scale), in units of
// source samples. It exists beside plain sizes for subsampled chroma planes,
// whose samples do not share the edges of the picture.
type Axis struct {
	Dst, Src      int // number of samples
	Scale, Offset float64
	Kernel        Kernel // CatmullRom by default
}

// Fit returns the axis that maps all of src onto all of dst.
func Fit(dst, src int) Axis {
	return Axis{Dst: dst, Src: src, Scale: float64(src) / float64(dst)}
}

func (a Axis) identity() bool { return a.Dst == a.Src && a.Scale == 1 && a.Offset == 0 }

// window is what one destination sample takes: coefs[0] of source sample first,
// and so on. The coefficients add up to exactly 1<<coefBits.
type window struct {
	first int
	coefs []uint64 // two's complement, so that lanes can be multiplied at once
}

// windows computes the window of each destination sample. At the edges of the
// source the kernel is cut off and the rest weighted up, as x/image/draw does.
func (a Axis) windows() []window {
	kernel := a.Kernel
	if kernel.weight == nil {
		kernel = CatmullRom
	}
	support := kernel.support
	list := make([]window, a.Dst)
	stretch := max(a.Scale, 1)
	taps := int(2*support*stretch) + 3
	weights := make([]float64, 0, taps)
	coefs := make([]uint64, 0, taps*a.Dst)
	for i := range list {
		center := a.Offset + (float64(i)+0.5)*a.Scale - 0.5
		first := max(int(math.Ceil(center-support*stretch)), 0)
		last := min(int(math.Floor(center+support*stretch)), a.Src-1)
		if first > last { // a chroma sample that lies wholly beyond the last one
			first = min(max(int(math.Round(center)), 0), a.Src-1)
			last = first
		}
		weights = weights[:0]
		for j := first; j <= last; j++ {
			weights = append(weights, kernel.weight(math.Abs(center-float64(j))/stretch))
		}
		start := len(coefs)
		var skip int
		coefs, skip = appendFixed(coefs, weights)
		list[i] = window{first: first + skip, coefs: coefs[start:len(coefs):len(coefs)]}
	}
	return list
}

// appendFixed appends the weights in fixed point, normalized to the sum of one,
// without the zeros at either end; skip counts those at the start. The rounding
// error goes to the largest one, where it matters least.
func appendFixed(coefs []uint64, weights []float64) (out []uint64, skip int) {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if sum <= 0 {
		clear(weights)
		weights[len(weights)/2], sum = 1, 1
	}
	start, total, largest := len(coefs), 0, 0
	for k, w := range weights {
		c := int(math.Round(w / sum * (1 << coefBits)))
		coefs = append(coefs, uint64(c))
		total += c
		if w > weights[largest] {
			largest = k
		}
	}
	coefs[start+largest] += uint64(1<<coefBits - total)
	for coefs[start+skip] == 0 {
		skip++
	}
	end := len(coefs)
	for coefs[end-1] == 0 {
		end--
	}
	return append(coefs[:start], coefs[start+skip:end]...), skip
}

func catmullRom(x float64) float64 {
	switch {
	case x < 1:
		return (1.5*x-2.5)*x*x + 1
	case x < 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
	return 0
}

func lanczos(x float64) float64 {
	switch {
	case x == 0:
		return 1
	case x < 3:
		x *= math.Pi
		return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
	}
	return 0
}
