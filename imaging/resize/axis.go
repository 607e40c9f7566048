package resize

import "math"

// Coefficients have 14 fractional bits. Samples between the passes have 6, which leaves room for the overshoot of the
// kernel in 16 bits.
const (
	coefBits = 14
	midBits  = 6
)

// Kernel is a resampling kernel: the weight of a source sample by its distance. The zero value is the Catmull-Rom kernel,
// which rings less at hard edges and so suits graphics.
type Kernel struct {
	support float64 // in samples on either side
	weight  func(distance float64) float64
}

// Lanczos is the Lanczos kernel of three lobes. It takes 1.5 times the work of Catmull-Rom and keeps more detail, which suits
// photographs, especially if they are scaled in several steps.
var Lanczos = Kernel{3, lanczos}

// Axis maps destination samples to source samples in one direction: destination sample i covers
// [Offset+i*Scale, Offset+(i+1)*Scale), in units of source samples. Sizes alone would not be enough for subsampled chroma
// planes, whose samples are not aligned with the edges of the picture.
type Axis struct {
	Dst, Src      int // number of samples
	Scale, Offset float64
	Kernel        Kernel
}

// Fit returns the axis that maps all of src samples to all of dst samples.
func Fit(dst, src int) Axis {
	return Axis{Dst: dst, Src: src, Scale: float64(src) / float64(dst)}
}

func (a Axis) identity() bool { return a.Dst == a.Src && a.Scale == 1 && a.Offset == 0 }

// window holds the coefficients of one destination sample: coefs[0] for source sample first, and so on. They add up to
// exactly 1<<coefBits.
type window struct {
	first int
	coefs []uint64 // two's complement, so that lanes can be multiplied together
}

// windows returns the window of each destination sample. At the edges of the source it truncates the kernel and normalizes
// the rest, as x/image/draw does.
func (a Axis) windows() []window {
	kernel := a.Kernel
	if kernel.weight == nil {
		kernel = Kernel{2, catmullRom}
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
		if first > last { // a chroma sample beyond the last source sample
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

// appendFixed appends the weights in fixed point, normalized to a sum of one, without the zeros at both ends. skip is the
// number of zeros at the start. The largest coefficient absorbs the rounding error, where it matters least.
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
