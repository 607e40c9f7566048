package jpeg

import (
	"image"
	"sync"

	"vitrine/imaging/jpeg/dct"
)

// Options configure decoding. The zero value decodes at full size.
type Options struct {
	// Scale is 1, 2, 4 or 8. The result has ceil(Width/Scale) by ceil(Height/Scale) pixels. 0 means 1.
	Scale int

	// Stop, if not nil, is called before each row of units of each scan. If it returns an error, decoding stops and
	// returns that error.
	Stop func() error

	// MaxPasses limits the work. All scans together may visit MaxPasses times the blocks of the picture, and the file
	// may have MaxPasses scans per component. 0 means 100.
	MaxPasses int
}

// defaultMaxPasses allows for any reasonable progressive file: libjpeg's standard script makes 6 passes.
const defaultMaxPasses = 100

// ScaleFor returns the largest scale at which the longer side of a width by height picture still has at least fit pixels,
// so that a resampler only has to reduce it further.
func ScaleFor(width, height, fit int) int {
	for scale := 8; scale > 1; scale /= 2 {
		if (max(width, height)+scale-1)/scale >= fit {
			return scale
		}
	}
	return 1
}

// decoders recycles decoders with their working memory.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// keptBytes is the most working memory that a decoder in the pool keeps.
const keptBytes = 2 << 20

// Decode decodes a complete JPEG file to an *image.Gray or an *image.YCbCr, whose planes are padded to whole units. It
// returns ErrUnsupported for files that only image/jpeg may decode, and ErrTooManyPasses for files that take too much work.
// Decode allocates the planes and the memory that Header.Bytes reports, even if the file is short, so callers should
// check the header first. It does not retain src. It is safe for concurrent use.
//
// If Scale doesn't divide the size, the last column or row covers fewer than Scale pixels of the file. A resampler should
// take Width/Scale by Height/Scale, unrounded, as the size of the source.
func Decode(src []byte, o Options) (image.Image, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	return d.decode(src, o)
}

// Bands is like Decode, but keeps only a band of the picture in memory: a row of units, 8 to 32 rows of pixels at full
// size. It calls take for each band from the top down. The bounds of a band are its position in the picture. take must not
// keep the band. If take returns an error, decoding stops and returns that error. Damage may be found after some bands were
// passed to take: if Bands returns an error, the caller must discard them. Bands allocates the memory that Header.Bytes
// reports. It is safe for concurrent use.
func Bands(src []byte, o Options, take func(band image.Image) error) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	return d.decodeBands(src, o, take)
}

// decoder decodes one file at a time and keeps its working memory for the next one. The zero value is ready for use.
type decoder struct {
	opt   Options
	src   []byte
	frame frame
	comp  [maxComponents]component
	huff  [2][4]*huffman // the current tables while the segments are read, by class and number
	quant [4][64]int32   // likewise, in zigzag order
	ri    int            // likewise, the restart interval in units
	jfif  bool
	adobe int // as Header.Adobe

	scans       []scan
	damage      error      // of the scan that follows those in scans
	tables      []*huffman // all allocated tables
	used        int        // tables that this file uses
	slot        *slots     // of the scale
	work, limit int64      // blocks to visit, and the maximum

	block   dct.Block
	samples []byte   // of a band
	memory  []int16  // coefficients of a band of a progressive file
	masks   []uint64 // their masks
}

// release returns the decoder to the pool. It frees the working memory of a large picture.
func (d *decoder) release() {
	if cap(d.samples)+2*cap(d.memory)+8*cap(d.masks)+scanBytes*cap(d.scans)+tableBytes*len(d.tables) > keptBytes {
		*d = decoder{}
	}
	decoders.Put(d)
}

func (d *decoder) decode(src []byte, o Options) (image.Image, error) {
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

func (d *decoder) decodeBands(src []byte, o Options, take func(band image.Image) error) error {
	defer d.forget()
	if err := d.plan(src, o); err != nil {
		return err
	}
	return d.bands(take)
}

// begin prepares the decoder for a file. It keeps the working memory.
func (d *decoder) begin(src []byte, o Options) {
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
	d.block = dct.Block{}
}

// forget drops the references to the source and the picture.
func (d *decoder) forget() { d.begin(nil, Options{}) }

// resized returns n zeros, in b if they fit.
func resized[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	b = b[:n]
	clear(b)
	return b
}
