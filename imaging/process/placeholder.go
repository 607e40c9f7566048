package process

import (
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"math"

	"vitrine/imaging/thumbhash"
)

// standIn is what a page shows until the picture is loaded.
type standIn struct {
	placeholder  string // ThumbHash in base64
	averageColor string // #rrggbb; empty if every pixel is transparent
}

// newStandIn makes the stand-in of a picture from its smallest variant. The average is
// taken over the stored sRGB values, weighted by alpha. It is the mean colour of the
// placeholder, and the colour that a browser shows when it scales the picture down to one
// pixel.
func newStandIn(smallest image.Image) standIn {
	size := smallest.Bounds().Size()
	w, h := fit(size.X, size.Y, thumbhash.Side)
	m := toRGBA(scaleDown(smallest, w, h))
	s := standIn{placeholder: base64.StdEncoding.EncodeToString(thumbhash.Encode(m))}
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] > 0 {
			mean := thumbhash.Mean(m)
			level := func(v float64) int { return int(math.Round(255 * min(v, 1))) }
			s.averageColor = fmt.Sprintf("#%02x%02x%02x", level(mean[0]), level(mean[1]), level(mean[2]))
			break
		}
	}
	return s
}

// toRGBA converts a picture that scaleDown made to premultiplied RGBA.
func toRGBA(img image.Image) *image.RGBA {
	w := img.Bounds().Dx()
	out := image.NewRGBA(img.Bounds())
	switch m := img.(type) {
	case *image.RGBA:
		return m
	case *image.Gray:
		for i, v := range m.Pix {
			*(*[4]byte)(out.Pix[4*i:]) = [4]byte{v, v, v, 255}
		}
	case *image.YCbCr:
		for i := range w * m.Rect.Dy() {
			c := m.COffset(i%w, i/w)
			r, g, b := color.YCbCrToRGB(m.Y[m.YOffset(i%w, i/w)], m.Cb[c], m.Cr[c])
			*(*[4]byte)(out.Pix[4*i:]) = [4]byte{r, g, b, 255}
		}
	}
	return out
}
