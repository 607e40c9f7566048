package process

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

// maxWebPEncodings is the most often that a WebP is encoded to find its quality.
const maxWebPEncodings = 3

// maxSSIMTarget is the similarity above which no difference is visible. A JPEG can exceed it
// if its source is a JPEG of the same size; the WebP need not.
const maxSSIMTarget = 0.985

// matchWebP returns a lossy WebP that is at least as similar to img as the JPEG in file, by
// the structural similarity of the luma. It returns nil if it finds none that is worth
// storing.
func matchWebP(file []byte, img image.Image) ([]byte, error) {
	want := lumaOf(img)
	decoded, err := jpeg.Decode(file, jpeg.Options{})
	if err != nil {
		return nil, err
	}
	target := min(ssim.Windows(want, lumaOf(decoded)), maxSSIMTarget)
	var best []byte
	low, high := 0, 101 // a quality that is too low, and one that is high enough
	quality := 72       // about as similar as a JPEG of 80
	for range maxWebPEncodings {
		body, err := webp.Append(nil, img, webp.Options{Quality: quality})
		if err != nil {
			return nil, err
		}
		got, err := lossyLuma(body)
		if err != nil {
			return nil, err
		}
		similarity := ssim.Windows(want, got)
		if similarity >= target {
			best, high = body, quality
		} else {
			low = quality
		}
		tooLarge := similarity < target && 100*len(body) > worthPercent*len(file)
		near := similarity >= target && 1-similarity > 0.93*(1-target)
		if tooLarge || near || high-low <= 1 {
			break
		}
		quality = min(max(nextQuality(quality, similarity, target), low+1), high-1)
	}
	return best, nil
}

// The loss of similarity grows with the quantiser's step to the power of lossPower. The step
// halves when the quality grows by qualityHalves.
const (
	lossPower     = 1.2
	qualityHalves = 13
)

// nextQuality aims at a loss that is two percent less than the target's, so that the next
// encoding does not miss the target by little.
func nextQuality(quality int, similarity, target float64) int {
	ratio := max(1-similarity, 1e-6) / max(0.98*(1-target), 1e-6)
	return quality + int(math.Round(qualityHalves/lossPower*math.Log2(ratio)))
}

// lumaOf returns the luma of a picture that scaleSource or a decoder returned.
func lumaOf(img image.Image) *image.Gray {
	switch m := img.(type) {
	case *image.Gray:
		return m
	case *image.YCbCr:
		return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect}
	}
	panic(fmt.Sprintf("process: no luma in %T", img))
}

// lossyLuma decodes the luma of a file with one lossy chunk.
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
