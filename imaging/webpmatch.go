package imaging

import (
	"bytes"
	"fmt"
	"image"
	"math"

	"golang.org/x/image/vp8"

	"vitrine/imaging/jpeg"
	"vitrine/imaging/ssim"
	"vitrine/imaging/webp"
)

// webpTries is how often a WebP is encoded at most to find its quality.
const webpTries = 3

// likeEnough is the likeness from which on nobody sees a difference: a JPEG that
// has more of it, because its source is a JPEG of the same size, is no target.
const likeEnough = 0.985

// matchWebP gives a lossy WebP that is as like to img as the JPEG is, by the
// structural similarity of their luma, or a little more. It gives nil where it
// finds none of the size that pays.
func matchWebP(file []byte, img image.Image) ([]byte, error) {
	want := lumaOf(img)
	decoded, err := jpeg.Decode(file, jpeg.Options{})
	if err != nil {
		return nil, err
	}
	target := min(ssim.Windows(want, lumaOf(decoded)), likeEnough)
	var best []byte
	low, high := 0, 101 // qualities that are too low and high enough
	quality := 72       // about as like as a JPEG of 80
	for range webpTries {
		body, err := webp.Append(nil, img, webp.Options{Quality: quality})
		if err != nil {
			return nil, err
		}
		got, err := lossyLuma(body)
		if err != nil {
			return nil, err
		}
		likeness := ssim.Windows(want, got)
		if likeness >= target {
			best, high = body, quality
		} else {
			low = quality
		}
		tooLarge := likeness < target && 100*len(body) > worthPercent*len(file)
		near := likeness >= target && 1-likeness > 0.93*(1-target)
		if tooLarge || near || high-low <= 1 {
			break
		}
		quality = min(max(nextQuality(quality, likeness, target), low+1), high-1)
	}
	return best, nil
}

// The loss of likeness grows with the step of the quantiser, in proportion to its
// power of lossPower; the step halves with qualityHalves more of quality.
const (
	lossPower     = 1.2
	qualityHalves = 13
)

// nextQuality aims at a loss that is two percent less than the target's, so as not
// to miss it again by little.
func nextQuality(quality int, likeness, target float64) int {
	ratio := max(1-likeness, 1e-6) / max(0.98*(1-target), 1e-6)
	return quality + int(math.Round(qualityHalves/lossPower*math.Log2(ratio)))
}

func lumaOf(img image.Image) *image.Gray {
	switch m := img.(type) {
	case *image.Gray:
		return m
	case *image.YCbCr:
		return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect}
	}
	panic(fmt.Sprintf("imaging: no luma in %T", img))
}

// lossyLuma decodes a file of one lossy chunk.
func lossyLuma(file []byte) (*image.Gray, error) {
	const head = 20
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(file[head:]), len(file)-head)
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	m, err := d.DecodeFrame()
	if err != nil {
		return nil, err
	}
	for i, v := range m.Y {
		m.Y[i] = fullLuma[v]
	}
	return lumaOf(m), nil
}
