package process

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/jpeg"
	"vitrine/imaging/process/memory"
)

// Config bounds what one picture, and all pictures together, may cost. A zero
// field means its default.
type Config struct {
	Limits        Limits
	MemoryBudget  int64         // bytes for all pictures at once; 256 MiB
	DecodeTimeout time.Duration // CPU time for decoding one picture; 5 s. A progressive JPEG gets at most 1.5 s.
	Parallel      int           // pictures computed at the same time; GOMAXPROCS
	SSIMTarget    float64       // structural similarity of a JPEG to the resized picture, below 1; 0.965
	Quality       int           // of every JPEG, 1 to 100, for comparisons; 0 derives it from SSIMTarget
}

const (
	// outputBytes is the memory that the results need for each pixel of the main
	// variant: the variant, its turned copy, the next smaller size, the encoder's
	// state and the files.
	outputBytes = 12
	// scratchBytes is the memory that scaling and encoding need at any size.
	scratchBytes = 2 << 20
	// collectBytes is the size from which a finished picture's garbage is collected at
	// once. Otherwise the next large picture could get its part of the budget while
	// the memory of this one is still in use.
	collectBytes = 32 << 20
)

// Processor makes variants of pictures within one budget of memory and CPU. A quarter
// of the memory is for sources, the rest for the work on them. The two parts are
// separate because a picture holds its source while it waits for work memory: with
// one budget, pictures could wait for each other for ever. Safe for concurrent use.
type Processor struct {
	cfg     Config
	sources *memory.Budget
	work    *memory.Budget
	cpus    chan struct{}
}

// New returns a Processor.
func New(cfg Config) *Processor {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.MemoryBudget <= 0 {
		cfg.MemoryBudget = 256 << 20
	}
	if cfg.DecodeTimeout <= 0 {
		cfg.DecodeTimeout = 5 * time.Second
	}
	if cfg.SSIMTarget <= 0 {
		cfg.SSIMTarget = defaultSSIMTarget
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
	sources := cfg.MemoryBudget / 4
	return &Processor{
		cfg:     cfg,
		sources: memory.New(sources),
		work:    memory.New(cfg.MemoryBudget - sources),
		cpus:    make(chan struct{}, cfg.Parallel),
	}
}

// SSIMTarget returns the structural similarity for which the quality of JPEGs is
// chosen.
func (p *Processor) SSIMTarget() float64 { return p.cfg.SSIMTarget }

// MemoryUsed returns the number of bytes that pictures hold.
func (p *Processor) MemoryUsed() int64 { return p.sources.Used() + p.work.Used() }

// MemoryWaiting returns the number of pictures that wait for memory.
func (p *Processor) MemoryWaiting() int { return p.sources.Waiting() + p.work.Waiting() }

// Options are what a caller asks for besides the usual variants.
type Options struct {
	// WebP names the sizes that are made in WebP too, where that saves at least a
	// tenth of the bytes. Such a variant is as similar to the resized picture as the
	// JPEG. Where the other file is the PNG of a drawing, it keeps every pixel; where
	// it is a PNG with transparency, it keeps the transparency. WebP is left out if the
	// memory budget is too small for it. It takes several times the CPU time of the
	// other variants.
	WebP []string
	// Focal is the point that the square crop is centred on.
	Focal *imaging.Focal
}

// Rendition is a variant that is not stored yet. Renditions of the same Object share
// one Body.
type Rendition struct {
	Name          string         // of the size (see Sizes), or SquareName
	Object        string         // file name, such as main.jpg
	Width, Height int            // pixels
	Format        imaging.Format // JPEG, PNG or WebP
	Body          []byte
}

// Size returns the length of the file in bytes.
func (r Rendition) Size() int64 { return int64(len(r.Body)) }

// Processed is the result of processing a picture.
type Processed struct {
	Format        imaging.Format // of the source
	Width, Height int            // of the source, upright
	Renditions    []Rendition
	Placeholder   string        // ThumbHash, in base64
	AverageColor  string        // #rrggbb in sRGB; empty if no pixel is opaque
	Animated      bool          // the source has more frames than the decoded one
	Note          string        // for the picture's owner: what could not be done; usually empty
	DecodeTime    time.Duration // wall time without waiting; for a JPEG it includes scaling to the main variant
	TransformTime time.Duration // wall time without waiting

	memory *memory.Grant
}

// Result returns the description of the picture once its variants are stored.
func (p *Processed) Result(sha256 string, bytes int64, variants []imaging.Variant) imaging.Result {
	return imaging.Result{
		SourceSHA256: sha256, SourceBytes: bytes, SourceFormat: string(p.Format), Width: p.Width, Height: p.Height,
		Variants: variants, Placeholder: p.Placeholder, AverageColor: p.AverageColor, Animated: p.Animated, Note: p.Note,
	}
}

// Release returns the memory of the renditions to the budget. Call it once they are
// no longer needed; further calls do nothing.
func (p *Processed) Release() { p.memory.Release() }

// Reserve waits for memory for a source of n bytes. The returned function gives it
// back.
func (p *Processor) Reserve(ctx context.Context, n int64) (release func(), err error) {
	grant, err := p.sources.Acquire(ctx, min(n, p.sources.Total()))
	if err != nil {
		return nil, err
	}
	return grant.Release, nil
}

// Process makes the variants of the picture in src: those of [imaging.Sizes] in their order,
// the square crop, and the WebP variants that were asked for. It waits for memory and
// a CPU. It looks at ctx before each size. A failure is an [*imaging.Error] with stage decode
// or transform, or ctx's error. The results carry no metadata; their colours are sRGB.
func (p *Processor) Process(ctx context.Context, src []byte, want Options) (*Processed, error) {
	return p.process(ctx, src, output{Options: want})
}

func (p *Processor) process(ctx context.Context, src []byte, want output) (*Processed, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	want.ssimTarget, want.quality = p.cfg.SSIMTarget, p.cfg.Quality
	h.output = want
	if err := p.cfg.Limits.check(h.width, h.height); err != nil {
		return nil, err
	}
	d := &decoder{src: src, left: p.cfg.DecodeTimeout}
	result, err := p.admit(ctx, d, h)
	if errors.Is(err, jpeg.ErrUnsupported) { // known only from the file's scans
		h.useStandardDecoder()
		result, err = p.admit(ctx, d, h)
	}
	return result, err
}

// admit waits for the memory that the picture needs and makes its variants.
func (p *Processor) admit(ctx context.Context, d *decoder, h header) (*Processed, error) {
	h.fitWebP(p.work.Total())
	grant, err := p.work.Acquire(ctx, h.workBytes())
	if errors.Is(err, memory.ErrNeverFits) {
		return nil, refuse(imaging.CodeImageTooLarge, fmt.Sprintf(
			"an image of this kind with %d x %d pixels needs more memory than the budget allows", h.width, h.height), err)
	}
	if err != nil {
		return nil, err
	}
	result, err := p.compute(ctx, d, h)
	if h.decodeBytes+h.webpMemory() >= collectBytes {
		runtime.GC()
	}
	if err != nil {
		grant.Release()
		return nil, err
	}
	kept := int64(0)
	for _, r := range result.Renditions {
		kept += int64(cap(r.Body))
	}
	grant.Shrink(kept)
	result.memory = grant
	return result, nil
}

// workBytes returns the most memory that decoding and transforming need.
func (h header) workBytes() int64 {
	w, ht := fit(h.width, h.height, imaging.Sizes[0].Side)
	return h.decodeBytes + h.colours.Bytes(int64(w)*int64(ht)) + outputBytes*int64(w)*int64(ht) + h.webpMemory() + scratchBytes
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
