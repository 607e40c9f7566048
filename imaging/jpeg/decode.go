package jpeg

import (
	"image"
	"sync"
)

// Options say how to decode. The zero value decodes at full size.
type Options struct {
	// Scale is 1, 2, 4 or 8: the picture is ceil(Width/Scale) by ceil(Height/Scale) pixels. 0 means 1.
	Scale int

	// Stop is asked again and again, in each scan after each row of units; its error ends the decoding and is
	// returned.
	Stop func() error

	// MaxPasses bounds the work: the blocks visited in all scans may be that many times the blocks of the
	// picture, and the scans that many times its components. 0 means DefaultMaxPasses.
	MaxPasses int
}

// DefaultMaxPasses leaves room for any sensible script of progressive scans; libjpeg's own makes 6 passes.
const DefaultMaxPasses = 100

// ScaleFor is the largest scale at which the longer side of a width by height picture is still at least fit
// pixels, so that what is left for a resampler is to make it smaller.
func ScaleFor(width, height, fit int) int {
	for scale := 8; scale > 1; scale /= 2 {
		if (max(width, height)+scale-1)/scale >= fit {
			return scale
		}
	}
	return 1
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// keptBytes is how much working memory a Decoder may keep from one picture to the next in the pool.
const keptBytes = 2 << 20

// Decode decodes a complete JPEG file to an *image.Gray or an *image.YCbCr, whose planes have room for whole
// units beyond its bounds. Files that it leaves to image/jpeg give ErrUnsupported. It allocates these planes and what
// Header.Bytes says, however little the source holds: look at the header first. The source is not kept. Safe for
// concurrent use.
//
// At a scale above 1 the last column and row stand for less than Scale pixels where the size is not a
// multiple of it: the picture is Width/Scale by Height/Scale of its own pixels, a resampler's source rectangle.
func Decode(src []byte, o Options) (image.Image, error) {
	d := decoders.Get().(*Decoder)
	defer d.giveBack()
	return d.Decode(src, o)
}

// Bands decodes like Decode, but has the picture in memory only a row of units at a time, 8 to 32 rows of pixels at full
// scale: it gives take each of them, from the top down, as a picture whose bounds are its place in the whole. The band is
// take's until take returns; take's error ends the decoding and is returned. A damage may show only
// after some bands were given: all of them are void then. It allocates what Header.Bytes says. Safe for concurrent use.
func Bands(src []byte, o Options, take func(band image.Image) error) error {
	d := decoders.Get().(*Decoder)
	defer d.giveBack()
	return d.Bands(src, o, take)
}

// Decoder keeps its working memory from one picture to the next. The zero value is ready; it serves one
// goroutine at a time.
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

// Reset lets go of the working memory.
func (d *Decoder) Reset() { *d = Decoder{} }

// giveBack puts the decoder into the pool. A large picture's memory is not kept for a small one.
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

// begin forgets the last picture, but not the working memory.
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

// forget keeps neither source nor picture.
func (d *Decoder) forget() { d.begin(nil, Options{}) }

// resized returns n zeros.
func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	b = b[:n]
	clear(b)
	return b
}
