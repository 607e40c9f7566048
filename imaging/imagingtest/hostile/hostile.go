package hostile

import (
	"fmt"
	"image"
	"image/color"
	"iter"
	"math/rand/v2"

	"vitrine/imaging/imagingtest"
)

// File is a picture file.
type File struct {
	Name string
	Body []byte
	// Want is the expected result: Ready, or the code of the failure. If it is empty, both
	// are allowed.
	Want string
}

// Ready is the [File.Want] of a file that must be processed.
const Ready = "ready"

// The codes of failure that the files expect.
const (
	corrupt     = "corrupt_image"
	tooLarge    = "image_too_large"
	unsupported = "unsupported_format"
)

// Sources returns small valid pictures of every kind, by the names of their formats. The first
// two of each format differ most.
func Sources() map[string][]File {
	photo, logo := imagingtest.Photo(29, 22, 1), imagingtest.Logo(26, 21)
	drawing := imagingtest.Graphic(24, 18)
	return map[string][]File{
		"jpeg": jpegSources(photo), "png": pngSources(photo, logo, drawing),
		"gif": gifSources(logo, drawing), "webp": webpSources(photo, logo),
	}
}

// Formats are the keys of [Sources].
var Formats = []string{"jpeg", "png", "gif", "webp"}

func jpegSources(m image.Image) []File {
	coded := func(progressive bool, transform int, sampling ...byte) []byte {
		return imagingtest.RareJPEG(m, imagingtest.Coding{Progressive: progressive, Transform: transform, Sampling: sampling})
	}
	return ready(
		File{Name: "baseline", Body: imagingtest.JPEG(m, 80, 6)},
		File{Name: "progressive", Body: coded(true, -1, 0x22, 0x11, 0x11)},
		File{Name: "4:4:4", Body: coded(false, -1, 0x11, 0x11, 0x11)},
		File{Name: "4:1:1", Body: coded(false, -1, 0x41, 0x11, 0x11)},
		File{Name: "gray", Body: coded(false, -1, 0x11)},
		File{Name: "rgb", Body: coded(false, 0, 0x11, 0x11, 0x11)},
		File{Name: "ycck", Body: coded(false, 2, 0x22, 0x11, 0x11, 0x22)},
		File{Name: "progressive inks", Body: coded(true, 0, 0x11, 0x11, 0x11, 0x11)},
		File{Name: "reduced", Body: imagingtest.JPEG(imagingtest.Stripes(4100, 5), 30, 6)}, // reduced while it is decoded
		File{Name: "reduced progressive", Body: imagingtest.LargeProgressive(4100, 14, 1, 0x21, 0x11, 0x11)},
		File{Name: "profile", Body: imagingtest.JPEGWithICC(coded(false, -1, 0x11, 0x11, 0x11), p3(), 200)},
	)
}

func pngSources(photo, logo, drawing *image.NRGBA) []File {
	rare := func(m image.Image, colour, depth byte, interlaced bool) []byte {
		return imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: colour, Depth: depth, Interlaced: interlaced})
	}
	two := image.NewPaletted(image.Rect(0, 0, 19, 9), color.Palette{color.White, color.NRGBA{R: 200, A: 255}})
	for i := range two.Pix {
		two.Pix[i] = byte(i / 5 % 2)
	}
	return ready(
		File{Name: "rgb", Body: rare(photo, 2, 8, false)},
		File{Name: "rgba 16 interlaced", Body: rare(logo, 6, 16, true)},
		File{Name: "gray interlaced", Body: rare(photo, 0, 8, true)},
		File{Name: "gray and alpha", Body: rare(logo, 4, 8, false)},
		File{Name: "palette", Body: imagingtest.PNG(imagingtest.Paletted(logo))},
		File{Name: "two colours", Body: imagingtest.PNG(two)},
		File{Name: "colour made transparent", Body: imagingtest.RarePNG(drawing, imagingtest.PNGKind{
			Colour: 2, Depth: 16, Transparent: drawing.At(0, 0), Orientation: 7})},
		File{Name: "profile", Body: imagingtest.PNGWithICC(rare(photo, 2, 8, false), p3())},
		File{Name: "animated", Body: imagingtest.APNG(rare(logo, 6, 8, false), 2)},
	)
}

func gifSources(logo, drawing *image.NRGBA) []File {
	still := imagingtest.GIF(drawing)
	return ready(
		File{Name: "still", Body: still},
		File{Name: "animated", Body: imagingtest.AnimatedGIF(drawing, image.Rect(3, 4, 15, 11))},
		File{Name: "interlaced", Body: changed(still, gifFrame(still)+9, still[gifFrame(still)+9]|0x40)},
		File{Name: "transparent", Body: imagingtest.GIF(logo)},
		File{Name: "of frames", Body: imagingtest.GIFOf(9, 7, 3)},
	)
}

func webpSources(photo, logo image.Image) []File {
	size := photo.Bounds().Size()
	lossless, sheer := imagingtest.WebP(photo), imagingtest.WebP(logo)
	lossy := imagingtest.LossyWebP(size.X, size.Y)
	alpha := imagingtest.WithAlpha(lossy, size.X, size.Y, func(x, y int) byte { return byte(8 * (x + y)) })
	frame := imagingtest.Frame{At: image.Rect(2, 4, 2+size.X, 4+size.Y), File: alpha}
	return ready(
		File{Name: "lossless", Body: lossless},
		File{Name: "animated", Body: imagingtest.AnimatedWebP(image.Pt(40, 30), frame, imagingtest.Frame{At: frame.At, File: lossless})},
		File{Name: "lossless with alpha", Body: sheer},
		File{Name: "lossy", Body: lossy},
		File{Name: "lossy with alpha", Body: alpha},
		File{Name: "lossy with packed alpha", Body: imagingtest.WithPackedAlpha(lossy, lossless)},
		File{Name: "profile", Body: imagingtest.WebPWithICC(lossless, p3(), size.X, size.Y)},
		File{Name: "turned", Body: imagingtest.WebPWithEXIF(lossless, size, 8)},
	)
}

func p3() []byte { return imagingtest.MatrixProfile(imagingtest.DisplayP3, imagingtest.SRGBCurve()) }

func ready(files ...File) []File {
	for i := range files {
		files[i].Want = Ready
	}
	return files
}

// Truncated returns the file cut at each twentieth of its length.
func Truncated(f File) iter.Seq[File] {
	return func(yield func(File) bool) {
		for percent := 0; percent < 100; percent += 5 {
			part := f.Body[:len(f.Body)*percent/100]
			if !yield(File{Name: fmt.Sprintf("%s, %d %%", f.Name, percent), Body: part}) {
				return
			}
		}
	}
}

// Flipped returns n copies of a file with one to four random bits changed.
func Flipped(f File, n int, seed uint64) iter.Seq[File] {
	return func(yield func(File) bool) {
		random := rand.New(rand.NewPCG(seed, uint64(len(f.Body))))
		for i := range n {
			spoilt := append([]byte{}, f.Body...)
			for range 1 + random.IntN(4) {
				spoilt[random.IntN(len(spoilt))] ^= 1 << random.IntN(8)
			}
			if !yield(File{Name: fmt.Sprintf("%s, flip %d", f.Name, i), Body: spoilt}) {
				return
			}
		}
	}
}

// changed returns a copy of a file with other bytes at an offset.
func changed(file []byte, at int, v ...byte) []byte {
	out := append([]byte{}, file...)
	copy(out[at:], v)
	return out
}
