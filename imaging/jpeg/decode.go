package jpeg

import (
	"image"
	"sync"
)

// Options say how to decode. The zero value decodes at full size.
type Options struct {
	// Scale is 1, 2, 4 or 8: the picture is ceil(Width/Scale) by ceil(Height/Scale) pixels. 0 means 1.
	Scale int

	// Stop is asked before each scan and after each row of units; its error ends the decoding and is returned.
	Stop func() error

	// MaxPasses bounds the work: the blocks visited in all scans may be that many times the blocks of the
	// picture. 0 means DefaultMaxPasses.
	MaxPasses int

	// Buf is memory for the planes of the picture, used where its capacity is at least Header.PlaneBytes. The
	// picture then aliases it.
	Buf []byte
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

// Decode decodes a complete JPEG file to an *image.Gray or an *image.YCbCr, whose planes have room for whole
// units beyond its bounds. Files that it leaves to image/jpeg give ErrUnsupported. It allocates what
// Header.Bytes says, however little the source holds: look at the header first. The source is not kept. Safe for
// concurrent use.
//
// At a scale above 1 the last column and row stand for less than Scale pixels where the size is not a
// multiple of it: the picture is Width/Scale by Height/Scale of its own pixels, a resampler's source rectangle.
func Decode(src []byte, o Options) (image.Image, error) {
	d := decoders.Get().(*Decoder)
	m, err := d.Decode(src, o)
	if cap(d.memory) > 4<<20 || cap(d.masks) > 1<<18 {
		d.Reset() // a large picture's coefficients are not kept for a small one
	}
	decoders.Put(d)
	return m, err
}

// Decoder keeps its working memory from one picture to the next. The zero value is ready; it serves one
// goroutine at a time.
type Decoder struct {
	opt   Options
	bits  bitReader
	frame frame
	comp  [maxComponents]component
	huff  [2][4]huffman
	quant [4][64]int32 // in zigzag order
	ri    int          // restart interval in units
	jfif  bool
	adobe int // as in Header

	slot        *slots // of the scale
	eobRun      int    // blocks that an end-of-band code still covers (T.81 G.1.2.2)
	work, limit int64  // blocks visited and how many may be
	block       block
	picture     image.Image
	memory      []int16
	masks       []uint64
}

// Reset lets go of the working memory.
func (d *Decoder) Reset() { *d = Decoder{} }

// Decode is like the function Decode.
func (d *Decoder) Decode(src []byte, o Options) (image.Image, error) {
	switch o.Scale {
	case 0:
		o.Scale = 1
	case 1, 2, 4, 8:
	default:
		return nil, unsupported("scale is not 1, 2, 4 or 8")
	}
	if o.MaxPasses == 0 {
		o.MaxPasses = DefaultMaxPasses
	}
	d.begin(src, o)
	m, err := d.decode(src)
	d.begin(nil, Options{}) // keep neither source nor picture
	return m, err
}

// begin forgets the last picture, but not the working memory.
func (d *Decoder) begin(src []byte, o Options) {
	d.opt, d.bits.src, d.frame, d.comp = o, src, frame{}, [maxComponents]component{}
	for class := range d.huff {
		for i := range d.huff[class] {
			d.huff[class][i].defined, d.huff[class][i].compiled = false, false
		}
	}
	d.quant = [4][64]int32{}
	d.ri, d.jfif, d.adobe = 0, false, -1
	d.slot, d.eobRun, d.work, d.limit = slotsAt(o.Scale), 0, 0, 0
	d.block, d.picture = block{}, nil
}

func (d *Decoder) decode(src []byte) (image.Image, error) {
	s := segments{src: src}
	if err := s.begin(); err != nil {
		return nil, err
	}
	for {
		seg, err := s.next()
		if err != nil {
			return nil, err
		}
		switch seg.marker {
		case eoi:
			return d.finish()
		case sos:
			s.at, err = d.scan(seg)
		default:
			err = d.table(seg)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (d *Decoder) finish() (image.Image, error) {
	if d.picture == nil {
		return nil, FormatError("missing SOS marker")
	}
	if d.frame.rgb(d.jfif, d.adobe) {
		return nil, unsupported("RGB")
	}
	if d.frame.progressive {
		if err := d.reconstruct(); err != nil {
			return nil, err
		}
	}
	return d.picture, nil
}

// visited counts n blocks, and asks whether to go on.
func (d *Decoder) visited(n int) error {
	if d.work += int64(n); d.work > d.limit {
		return ErrTooManyPasses
	}
	if d.opt.Stop != nil {
		return d.opt.Stop()
	}
	return nil
}
