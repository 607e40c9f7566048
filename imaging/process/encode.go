package process

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"sync"

	"vitrine/imaging"
	"vitrine/imaging/jpeg/jpegenc"
)

// leastQuality and mostQuality bound the quality that is chosen for a JPEG, on the scale
// of the IJG library. Below, smooth areas show blocks, which SSIM hardly notices.
// Above, files grow without a visible gain.
const (
	leastQuality = 70
	mostQuality  = 90
)

// leastChroma is the lowest quality of the chroma. SSIM is measured on the luma and
// does not see errors of the chroma.
const leastChroma = 80

// defaultSSIMTarget leads to files that are, averaged over photographs of all kinds, as
// large as those of quality 80.
const defaultSSIMTarget = 0.965

// output describes the files to make.
type output struct {
	Options

	packed     int64   // most pixels of a lossless or transparent WebP: see fitWebP
	squareOnly bool    // make only the square crop
	ssimTarget float64 // structural similarity of a JPEG's luma to the resized picture
	quality    int     // of a JPEG; 0 derives it from ssimTarget
}

// minQuality is the lowest quality to which a JPEG is reduced so that it is not larger
// than its source.
const minQuality = 50

// flatBytes is the size, in bytes per thousand pixels, below which a lossless source
// counts as a drawing rather than a photograph.
const flatBytes = 500

// encoder writes the variants of one picture.
type encoder struct {
	source header
	bytes  int // of the source
	opaque bool
	webps  []companion
}

// encode returns the file of a variant: a PNG for a picture with transparency,
// otherwise a JPEG, or a PNG if the source is a drawing and the PNG is smaller.
// sameSize means that the variant has the source's size.
func (e *encoder) encode(img image.Image, sameSize bool) ([]byte, imaging.Format, error) {
	if !e.opaque {
		body, err := encodePNG(img)
		return body, imaging.PNG, err
	}
	body, err := e.encodeJPEG(img, sameSize)
	if err != nil || !e.source.lossless {
		return body, imaging.JPEG, err
	}
	pixels := int64(e.source.width) * int64(e.source.height)
	flat := int64(e.bytes)*1000 < flatBytes*pixels
	inflated := sameSize && len(body) > e.bytes
	if !flat && !inflated {
		return body, imaging.JPEG, nil
	}
	drawing, err := encodePNG(img)
	if err != nil || len(drawing) >= len(body) {
		return body, imaging.JPEG, err
	}
	return drawing, imaging.PNG, nil
}

// encodeJPEG writes with the quality that reaches the SSIM target, but not with a higher
// one than a source of the same size has, which would only add bytes. While a variant
// is larger than its source, it is encoded again with a lower quality.
func (e *encoder) encodeJPEG(img image.Image, sameSize bool) ([]byte, error) {
	if m, ok := img.(*image.RGBA); ok {
		img = toPlanar(m)
	}
	quality := e.source.output.quality
	if quality == 0 {
		quality = jpegenc.QualityFor(img, e.source.ssimTarget, leastQuality, mostQuality)
	}
	chroma := max(quality, leastChroma)
	if sameSize && e.source.format == imaging.JPEG && e.source.quality > 0 {
		quality, chroma = min(quality, e.source.quality), min(chroma, e.source.quality)
	}
	var out []byte
	for {
		var err error
		out, err = jpegenc.Append(out[:0], img, jpegenc.Options{
			Quality: quality, ChromaQuality: chroma, Optimize: true})
		if err != nil || len(out) <= e.bytes || quality <= minQuality {
			return out, err
		}
		quality = max(quality-10, minQuality)
		chroma = quality
	}
}

func encodePNG(img image.Image) ([]byte, error) {
	if m, ok := img.(*image.RGBA); ok {
		if drawing := indexed(m); drawing != nil {
			img = drawing
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{BufferPool: &pngBuffers}
	err := encoder.Encode(&out, img)
	return out.Bytes(), err
}

var pngBuffers pngPool

// pngPool reuses the PNG encoder's compressor, which takes nearly a megabyte.
type pngPool struct{ pool sync.Pool }

// Get implements [png.EncoderBufferPool].
func (p *pngPool) Get() *png.EncoderBuffer {
	b, _ := p.pool.Get().(*png.EncoderBuffer)
	return b
}

// Put implements [png.EncoderBufferPool].
func (p *pngPool) Put(b *png.EncoderBuffer) { p.pool.Put(b) }

// indexed returns the picture with a palette, or nil if it has more than 256 colours.
// For a photograph that is known after its first rows.
func indexed(m *image.RGBA) *image.Paletted {
	index := make(map[color.RGBA]uint8, 256)
	var palette color.Palette
	out := image.NewPaletted(m.Rect, nil)
	var last color.RGBA
	var lastIndex uint8
	for i := range out.Pix {
		p := (*[4]byte)(m.Pix[4*i:])
		c := color.RGBA{R: p[0], G: p[1], B: p[2], A: p[3]}
		if c != last || i == 0 {
			k, known := index[c]
			if !known {
				if len(palette) == 256 {
					return nil
				}
				k = uint8(len(palette))
				index[c] = k
				palette = append(palette, color.NRGBAModel.Convert(c))
			}
			last, lastIndex = c, k
		}
		out.Pix[i] = lastIndex
	}
	out.Palette = palette
	return out
}

// unwritable returns the failure of an encoder.
func unwritable(err error) *imaging.Error {
	return &imaging.Error{Code: imaging.CodeInternal, Stage: imaging.StageTransform, Transient: true,
		Detail: "the image could not be encoded", Err: err}
}
