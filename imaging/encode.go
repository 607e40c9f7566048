package imaging

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"sync"

	"vitrine/imaging/jpeg/jpegenc"
)

// leastQuality and mostQuality bound what is chosen for a picture, on the scale of
// the IJG library: below, smooth areas show their blocks, which the likeness hardly
// tells; above, a file grows by much more than anybody sees.
const (
	leastQuality = 70
	mostQuality  = 90
)

// leastChroma is the lowest quality of the chroma, whose errors the likeness does
// not see at all.
const leastChroma = 80

// defaultLikeness gives photographs of all kinds the size, on average, that a
// quality of 80 does.
const defaultLikeness = 0.965

// wish is what the files are to be.
type wish struct {
	webp       []string // names of the sizes that are wanted in WebP too
	packed     int64    // most pixels of a lossless or transparent WebP: see fitWebP
	focal      *Focal   // what the square crop is to show
	squareOnly bool     // nothing but the square crop is wanted
	likeness   float64  // of a JPEG's luma to the resized picture, as structural similarity
	quality    int      // of a JPEG; 0 is what the likeness takes
}

// minQuality is the lowest that a picture is taken down to only because its
// source is smaller.
const minQuality = 50

// flatBytes is the size below which a lossless source is taken for a drawing
// rather than a photograph, in bytes for a thousand pixels.
const flatBytes = 500

// encoder writes the variants of one picture.
type encoder struct {
	source header
	bytes  int // of the source
	opaque bool
	webps  []companion
}

// encode gives the file of a variant: PNG for a picture with transparency, else
// JPEG, or PNG where the source is a drawing and that is smaller. sameSize says
// that the variant has the source's size.
func (e *encoder) encode(img image.Image, sameSize bool) ([]byte, Format, error) {
	if !e.opaque {
		body, err := encodePNG(img)
		return body, PNG, err
	}
	body, err := e.encodeJPEG(img, sameSize)
	if err != nil || !e.source.lossless {
		return body, JPEG, err
	}
	pixels := int64(e.source.width) * int64(e.source.height)
	flat := int64(e.bytes)*1000 < flatBytes*pixels
	inflated := sameSize && len(body) > e.bytes
	if !flat && !inflated {
		return body, JPEG, nil
	}
	drawing, err := encodePNG(img)
	if err != nil || len(drawing) >= len(body) {
		return body, JPEG, err
	}
	return drawing, PNG, nil
}

// encodeJPEG writes with the quality that the likeness takes, but not a better one
// than a source of the same size has: that would only add bytes. A variant that is
// still larger than its source is tried again with less.
func (e *encoder) encodeJPEG(img image.Image, sameSize bool) ([]byte, error) {
	if m, ok := img.(*image.RGBA); ok {
		img = toPlanar(m)
	}
	quality := e.source.wish.quality
	if quality == 0 {
		quality = jpegenc.QualityFor(img, e.source.likeness, leastQuality, mostQuality)
	}
	chroma := max(quality, leastChroma)
	if sameSize && e.source.format == JPEG && e.source.quality > 0 {
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

// pngPool keeps the PNG encoder's compressor, nearly a megabyte, for the next.
type pngPool struct{ pool sync.Pool }

// Get implements png.EncoderBufferPool.
func (p *pngPool) Get() *png.EncoderBuffer {
	b, _ := p.pool.Get().(*png.EncoderBuffer)
	return b
}

// Put implements png.EncoderBufferPool.
func (p *pngPool) Put(b *png.EncoderBuffer) { p.pool.Put(b) }

// indexed gives the same picture with a palette, or nil if it has more than 256
// colours, which a photograph shows within its first rows.
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

func unwritable(err error) *Error {
	return &Error{Code: CodeInternal, Stage: StageTransform, Transient: true,
		Detail: "the picture could not be written", Err: err}
}
