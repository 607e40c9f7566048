package imagingtest

import (
	"bytes"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
)

// Paletted returns img in the nearest of the 216 web colours and transparent.
func Paletted(img image.Image) *image.Paletted {
	colours := append(append(color.Palette{}, palette.WebSafe...), color.Transparent)
	m := image.NewPaletted(img.Bounds(), colours)
	draw.Draw(m, m.Rect, img, img.Bounds().Min, draw.Src)
	return m
}

// GIF returns a GIF of one frame.
func GIF(img image.Image) []byte {
	return GIFOfPaletted(Paletted(img))
}

// GIFOfPaletted returns a GIF of one frame with the palette of m.
func GIFOfPaletted(m *image.Paletted) []byte {
	return encodeGIF(&gif.GIF{Image: []*image.Paletted{m}, Delay: []int{0}})
}

// AnimatedGIF returns a GIF with a canvas of the size of img. Its first frame shows the part
// of img inside frame. The second frame is empty.
func AnimatedGIF(img *image.NRGBA, frame image.Rectangle) []byte {
	first := Paletted(img.SubImage(frame))
	second := image.NewPaletted(img.Rect, first.Palette)
	return encodeGIF(&gif.GIF{
		Image: []*image.Paletted{first, second}, Delay: []int{10, 10},
		Config: image.Config{ColorModel: first.Palette, Width: img.Rect.Dx(), Height: img.Rect.Dy()},
	})
}

func encodeGIF(g *gif.GIF) []byte {
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		panic(err)
	}
	return out.Bytes()
}
