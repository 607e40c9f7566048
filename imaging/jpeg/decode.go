package jpeg

import (
	"image"
	"sync"
)

// Options configure decoding. The zero value decodes at full size.
type Options struct {
	// Scale is 1, 2, 4 or 8: the picture is ceil(Width/Scale) by ceil(Height/Scale) pixels. 0 means 1.
	Scale int

	// Stop is called in each scan after each row of units. If it returns an error, decoding ends with that
	// error.
	Stop func() error

	// MaxPasses bounds the work: the blocks visited in all scans may be that many times the blocks of the
	// picture, and the scans that many times its components. 0 means DefaultMaxPasses.
	MaxPasses int
}

// DefaultMaxPasses is enough for any sensible progressive file; libjpeg's default script makes 6 passes.
const DefaultMaxPasses = 100

// ScaleFor returns the largest scale at which the longer side of a width by height picture is still at least fit
// pixels, so that a resampler only has to reduce it further.
func ScaleFor(width, height, fit int) int {
	for scale := 8; scale > 1; scale /= 2 {
		if (max(width, height)+scale-1)/scale >= fit {
			return scale
		}
	}
	return 1
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// keptBytes is the maximum working memory that a pooled Decoder keeps between pictures.
const keptBytes = 2 << 20

// Decode decodes a complete JPEG file to an *image.Gray or an *image.YCbCr, whose planes have room for whole
// units beyond its bounds. The error is ErrUnsupported for files that only image/jpeg can decode. Decode allocates
// these planes and Header.Bytes more, even if the source is short, so check the header first. It does not keep the
// source. It is safe for concurrent use.
//
// At a scale above 1 the last column and row cover fewer than Scale pixels if the size is not a multiple of Scale.
// For a resampler the source rectangle is Width/Scale by Height/Scale, which need not be whole numbers.
func Decode(src []byte, o Options) (image.Image, error) {
	d := decoders.Get().(*Decoder)
	defer d.giveBack()
	return d.Decode(src, o)
}

// Bands decodes like Decode, but keeps only one row of units in memory, 8 to 32 rows of pixels at full scale. It passes
// each band to take, from the top down, as a picture whose bounds are its position in the whole. take must not use the
// band after it returns; an error from take ends decoding and is returned. An error may occur after bands have been
// passed to take; the caller must then discard them. Bands allocates Header.Bytes. It is safe for concurrent use.
func Bands(src []byte, o Options, take func(band image.Image) error) error {
	d := decoders.Get().(*Decoder)
	defer d.giveBack()
	return d.Bands(src, o, take)
}

// Decoder reuses its working memory between pictures. The zero value is ready to use. It is not safe for concurrent
// use.
type Decoder struct {
	opt   Options
	src   []byte
	frame frame
	comp  [maxComponents]component
	huff  [2][4]*huffman // in force where the file is being read
	quant [4][64]int32   // likewise; in zigzag order
	ri    int            // restart interval in units
	jfif  bool
	adobe int // as in Header

	scans       []scan
	damage      error      // of the scan behind those
	tables      []*huffman // made so far, of which this file uses the first ones
	used        int
	slot        *slots // of the scale
	work, limit int64  // blocks to be visited and how many may be

	block   block
	samples []byte // of a band
	memory  []int16
	masks   []uint64
}

// Reset releases the working memory.
func (d *Decoder) Reset() { *d = Decoder{} }

// giveBack returns the decoder to the pool. It releases the working memory if that exceeds keptBytes.
func (d *Decoder) giveBack() {
	if cap(d.samples)+2*cap(d.memory)+8*cap(d.masks)+scanBytes*cap(d.scans)+tableBytes*len(d.tables) > keptBytes {
		d.Reset()
	}
	decoders.Put(d)
}

// Decode is like the function Decode.
func (d *Decoder) Decode(src []byte, o Options) (image.Image, error) {
	defer d.forget()
	if err := d.plan(src, o); err != nil {
		return nil, err
	}
	d.allocate(make([]byte, planeBytes(&d.frame, d.opt.Scale)), 1)
	if err := d.run(nil); err != nil {
		return nil, err
	}
	return d.view(0, d.frame.height), nil
}

// Bands is like the function Bands.
func (d *Decoder) Bands(src []byte, o Options, take func(band image.Image) error) error {
	defer d.forget()
	if err := d.plan(src, o); err != nil {
		return err
	}
	return d.bands(take)
}

// begin resets the decoder for a new picture and keeps the working memory.
func (d *Decoder) begin(src []byte, o Options) {
	d.opt, d.src, d.frame, d.comp = o, src, frame{}, [maxComponents]component{}
	for class := range d.huff {
		for i := range d.huff[class] {
			d.huff[class][i] = &noCodes
		}
	}
	d.quant = [4][64]int32{}
	d.ri, d.jfif, d.adobe = 0, false, -1
	clear(d.scans[:cap(d.scans)])
	d.scans, d.used = d.scans[:0], 0
	d.damage, d.slot, d.work, d.limit = nil, slotsAt(o.Scale), 0, 0
	d.block = block{}
}

// forget drops the references to the source and the picture.
func (d *Decoder) forget() { d.begin(nil, Options{}) }

// resized returns a slice of n zeros, reusing memory where possible.
func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	b = b[:n]
	clear(b)
	return b
}
