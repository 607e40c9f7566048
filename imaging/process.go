package imaging

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"vitrine/imaging/admission"
	"vitrine/imaging/jpeg"
)

// ProcessConfig bounds what one picture, and all pictures together, may cost. The
// zero value of a field stands for its default.
type ProcessConfig struct {
	Limits        Limits
	MemoryBudget  int64         // bytes for all pictures at work; 256 MiB
	DecodeTimeout time.Duration // CPU time for decoding a picture; 5 s, of which a progressive JPEG gets 1.5 s at most
	Parallel      int           // pictures computed at the same time; GOMAXPROCS
	Likeness      float64       // structural similarity of a JPEG to the resized picture, below 1; 0.965
	Quality       int           // of every JPEG, 1 to 100, for comparisons; 0 is what Likeness takes
}

// outputBytes is what the results of a picture need for each pixel of the main
// variant: itself, a turned copy, the next smaller one, the encoder's notes, and
// the files.
const (
	outputBytes  = 12
	scratchBytes = 2 << 20 // of scaling and encoding, whatever the size
)

// collectBytes is how much decoding and making WebPs take at least for their memory to
// be collected at once. Otherwise the next large picture could be given its share of the budget
// while this one's is still there as garbage.
const collectBytes = 32 << 20

// Processor makes variants of pictures within one budget of memory and CPU. A
// quarter of the memory is for sources, the rest for what is made of them; they
// are kept apart, because a picture holds its source while it waits for the
// rest, and pictures that all wait for each other would wait for ever. Safe for
// concurrent use.
type Processor struct {
	cfg     ProcessConfig
	sources *admission.Budget
	work    *admission.Budget
	cpus    chan struct{}
}

// NewProcessor makes a Processor.
func NewProcessor(cfg ProcessConfig) *Processor {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.MemoryBudget <= 0 {
		cfg.MemoryBudget = 256 << 20
	}
	if cfg.DecodeTimeout <= 0 {
		cfg.DecodeTimeout = 5 * time.Second
	}
	if cfg.Likeness <= 0 {
		cfg.Likeness = defaultLikeness
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
	sources := cfg.MemoryBudget / 4
	return &Processor{
		cfg:     cfg,
		sources: admission.New(sources),
		work:    admission.New(cfg.MemoryBudget - sources),
		cpus:    make(chan struct{}, cfg.Parallel),
	}
}

// Rendition is a finished variant of a picture. Renditions of the same Object
// share one Body.
type Rendition struct {
	Name          string // of the size (see Sizes), or square
	Object        string // file name, such as main.jpg
	Width, Height int    // pixels
	Format        Format // JPEG, PNG or WebP
	Body          []byte
}

func (r Rendition) bytes() int64 { return int64(len(r.Body)) }

// Processed is what became of a picture.
type Processed struct {
	Format        Format // of the source
	Width, Height int    // of the source, upright
	Renditions    []Rendition
	Placeholder   string        // ThumbHash, in base64
	AverageColor  string        // #rrggbb in sRGB; empty where nothing of the picture is opaque
	Animated      bool          // the source has more frames than the one that was decoded
	Note          string        // for the picture's owner: what could not be done; usually empty
	DecodeTime    time.Duration // wall time, without waiting for memory or a CPU; of a JPEG with scaling to the main variant
	TransformTime time.Duration

	memory *admission.Grant
}

// result is what there is to know of the picture once its variants are stored.
func (p *Processed) result(sha256 string, bytes int64, variants []Variant) Result {
	return Result{
		SourceSHA256: sha256, SourceBytes: bytes, SourceFormat: string(p.Format), Width: p.Width, Height: p.Height,
		Variants: variants, Placeholder: p.Placeholder, AverageColor: p.AverageColor, Animated: p.Animated, Note: p.Note,
	}
}

// Release returns the memory of the renditions to the budget. It has to be called
// once they are no longer needed; more calls do nothing.
func (p *Processed) Release() { p.memory.Release() }

// Reserve waits for memory for a source of n bytes; it is a [Reserve].
func (p *Processor) Reserve(ctx context.Context, n int64) (release func(), err error) {
	memory, err := p.sources.Acquire(ctx, min(n, p.sources.Total()))
	if err != nil {
		return nil, err
	}
	return memory.Release, nil
}

// Process makes the variants of the picture in src, in the order of [Sizes], and
// behind them a square crop of its middle. It waits for memory and a CPU, and goes
// on from size to size, until ctx ends. A failure is an [*Error] with stage
// decode or transform, or ctx's error. The results carry no metadata; their
// colours are sRGB.
func (p *Processor) Process(ctx context.Context, src []byte) (*Processed, error) {
	return p.process(ctx, src, wish{})
}

func (p *Processor) process(ctx context.Context, src []byte, want wish) (*Processed, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	want.likeness, want.quality = p.cfg.Likeness, p.cfg.Quality
	h.wish = want
	if err := p.cfg.Limits.check(h.width, h.height); err != nil {
		return nil, err
	}
	d := &decoder{src: src, left: p.cfg.DecodeTimeout}
	result, err := p.admit(ctx, d, h)
	if errors.Is(err, jpeg.ErrUnsupported) { // said by the file's scans, not by its header
		h.leaveToStandard()
		result, err = p.admit(ctx, d, h)
	}
	return result, err
}

// admit waits for the memory that the picture takes, and makes its variants.
func (p *Processor) admit(ctx context.Context, d *decoder, h header) (*Processed, error) {
	h.fitWebP(p.work.Total())
	memory, err := p.work.Acquire(ctx, h.workBytes())
	if errors.Is(err, admission.ErrNeverFits) {
		return nil, bad(CodeImageTooLarge, fmt.Sprintf(
			"a picture of this kind with %d x %d pixels needs more memory than there is", h.width, h.height), err)
	}
	if err != nil {
		return nil, err
	}
	result, err := p.compute(ctx, d, h)
	if h.decodeBytes+h.webpMemory() >= collectBytes {
		runtime.GC()
	}
	if err != nil {
		memory.Release()
		return nil, err
	}
	kept := int64(0)
	for _, r := range result.Renditions {
		kept += int64(cap(r.Body))
	}
	memory.Shrink(kept)
	result.memory = memory
	return result, nil
}

// workBytes is what decoding and transforming takes at most.
func (h header) workBytes() int64 {
	w, ht := fit(h.width, h.height, Sizes[0].Side)
	return h.decodeBytes + h.colours.bytes(int64(w)*int64(ht)) + outputBytes*int64(w)*int64(ht) + h.webpMemory() + scratchBytes
}

// compute does the part that needs a CPU.
func (p *Processor) compute(ctx context.Context, d *decoder, h header) (*Processed, error) {
	select {
	case p.cpus <- struct{}{}:
		defer func() { <-p.cpus }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	began := time.Now()
	bands := newBandScaler(h)
	defer bands.close()
	img, err := d.decode(ctx, h, bands.take)
	if err != nil {
		return nil, err
	}
	if h.banded() {
		img = bands.main
		bands.close()
	}
	decoded := time.Now()
	result, err := transform(ctx, img, h, d.src)
	if err != nil {
		return nil, err
	}
	result.DecodeTime, result.TransformTime = decoded.Sub(began), time.Since(decoded)
	return result, nil
}
