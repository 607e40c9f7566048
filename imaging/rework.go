package imaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
)

// Reason is why a ready image is worked on again.
type Reason string

// The reasons.
const (
	ReasonWebP      Reason = "webp"      // the first pass has ended: the variants that can wait follow
	ReasonReprocess Reason = "reprocess" // somebody asks whether source and recipe are still the same
	ReasonFocal     Reason = "focal"     // what a crop is to show is another place
)

// Rework is the work on a ready image.
type Rework struct {
	Job
	ProductID int64
	ObjectKey uuid.UUID // of the product: its objects lie under it
	Source    string    // URL, or UploadScheme and a key
	Reason    Reason
	Focal     *Focal // what the square crop is to show
	Attempt   int    // this try's number, from 1; counted before the work begins
	Was       Result // what the image is; its Note and SecondPass say nothing
}

// Reworked is what a ready image is to become.
type Reworked struct {
	Result
	Digest string // under which what is new was stored; empty: only the source's validators are new
}

// ReworkStore keeps what is stored for an image from being deleted before the
// image has it.
type ReworkStore interface {
	// ReserveRework records the digest under which objects are about to be
	// stored for an image that is still as r has it, so that no deletion under
	// way removes them. It gives ErrLeaseLost where the image is another by now.
	ReserveRework(ctx context.Context, r Rework, digest string) error
}

// secondPass says whether a picture is worked on again once it is ready.
func (w *Worker) secondPass() bool { return webpRecipe(w.cfg.WebP) != "" }

// Recipe names what the worker makes of an image in all: see [Recipe].
func (w *Worker) Recipe() string { return Recipe(w.process.SSIMTarget(), w.cfg.WebP) }

// firstRecipe names what the first pass makes.
func (w *Worker) firstRecipe() string { return firstRecipe(w.process.SSIMTarget()) }

// Rework does the work and gives what the image is to become, all of whose objects
// are stored; nil where it is already as it should be. The variants that it has
// stay as they are. A failure is an [*Error], [ErrLeaseLost] where the image has
// changed meanwhile, or ctx's error.
func (w *Worker) Rework(ctx context.Context, store ReworkStore, r Rework) (*Reworked, error) {
	t := &rework{worker: w, store: store, Rework: r, stage: StageFetch, log: w.log.WithFields(logrus.Fields{
		"image_id": r.ImageID, "product_id": r.ProductID, "request_id": r.RequestID, "attempt": r.Attempt, "reason": r.Reason,
	})}
	done, err := guarded(ctx, t.log, &t.stage, t.work)
	return done, reworkError(ctx, t.stage, err)
}

// rework is one try of a second pass.
type rework struct {
	Rework
	worker *Worker
	store  ReworkStore
	log    *logrus.Entry
	stage  Stage
}

func (t *rework) work(ctx context.Context) (*Reworked, error) {
	if t.Reason == ReasonFocal {
		return t.refocus(ctx)
	}
	need := stale(t.Was.Recipe, t.worker.Recipe())
	if need == current && (t.Reason == ReasonWebP || uploaded(t.Source)) {
		return nil, nil
	}
	if need == webpOnly && !t.worker.secondPass() {
		return t.withoutWebP(ctx)
	}
	src, release, err := t.fetch(ctx, need)
	if errors.Is(err, ErrNotModified) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer release()
	switch changed := src.SHA256 != t.Was.SourceSHA256; {
	case changed && t.Reason == ReasonWebP:
		// Nobody has asked for another picture, nor for two in one.
		return nil, &Error{Code: CodeSourceChanged, Stage: StageFetch, Detail: "the source is another picture by now; it was left as it is"}
	case changed || need == entirely:
		return t.remake(ctx, src)
	case need == current && src.Validators != t.Was.Validators:
		return &Reworked{Result: t.learnt(src)}, nil
	case need == current:
		return nil, nil
	}
	return t.addWebP(ctx, src)
}

// learnt is the same picture with what its source can be asked for again by.
func (t *rework) learnt(src Source) Result {
	now := t.Was
	if t.Reason != ReasonWebP { // an original has none
		now.Validators = src.Validators
	}
	return now
}

// fetch gets the source: an upload; for a second pass what the first has kept; and
// otherwise what the source's host has now, or [ErrNotModified] where nothing else
// needs the source.
func (t *rework) fetch(ctx context.Context, need staleness) (src Source, release func(), err error) {
	w := t.worker
	if uploaded(t.Source) {
		return w.readObject(ctx, t.Source)
	}
	if t.Reason == ReasonWebP {
		src, release, there, err := w.openOriginal(ctx, t.ObjectKey, t.Was.SourceSHA256)
		if there || err != nil {
			return src, release, err
		}
	}
	known := Validators{}
	if need == current {
		known = t.Was.Validators
	}
	src, release, err = w.download(ctx, t.Source, known, t.Attempt-1)
	if IsHostFailing(err) {
		// Being put off counts here: the picture is ready as it is, and a host that is
		// down for good must not have thousands come back for ever.
		err = &Error{Code: CodeSourceUnavailable, Stage: StageFetch, Transient: true, RetryAfter: HostPause,
			Detail: host(t.Source) + " has been failing", Err: err}
	}
	return src, release, err
}

// remake makes all variants of a source.
func (t *rework) remake(ctx context.Context, src Source) (*Reworked, error) {
	processed, err := t.produce(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	digest := t.digest(src.SHA256, "all "+t.Focal.SquareObject(JPEG))
	variants, err := t.keep(ctx, digest, processed.Renditions)
	if err != nil {
		return nil, err
	}
	now := processed.result(src.SHA256, int64(len(src.Body)), variants)
	now.Recipe, now.Validators = t.worker.Recipe(), t.learnt(src).Validators
	return &Reworked{Digest: digest, Result: now}, nil
}

// produce makes the renditions of a source, with those in WebP.
func (t *rework) produce(ctx context.Context, src Source) (*Processed, error) {
	t.stage = StageDecode
	return t.worker.process.Process(ctx, src.Body, Options{WebP: t.worker.cfg.WebP, Focal: t.Focal})
}

// addWebP makes the WebP variants of a source beside the others.
func (t *rework) addWebP(ctx context.Context, src Source) (*Reworked, error) {
	processed, err := t.produce(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	digest := t.digest(src.SHA256, "webp")
	added := slices.DeleteFunc(processed.Renditions, func(r Rendition) bool { return r.Format != WebP })
	variants, err := t.keep(ctx, digest, added)
	if err != nil {
		return nil, err
	}
	now := t.became(digest, append(t.otherThanWebP(), variants...))
	now.Validators = t.learnt(src).Validators
	return now, nil
}

// withoutWebP takes WebP variants away where there are to be none any more.
func (t *rework) withoutWebP(ctx context.Context) (*Reworked, error) {
	digest := t.digest(t.Was.SourceSHA256, "webp")
	if _, err := t.keep(ctx, digest, nil); err != nil {
		return nil, err
	}
	return t.became(digest, t.otherThanWebP()), nil
}

func (t *rework) otherThanWebP() []Variant {
	return slices.DeleteFunc(slices.Clone(t.Was.Variants), func(v Variant) bool { return v.Format == string(WebP) })
}

// became is the same picture with other variants.
func (t *rework) became(digest string, variants []Variant) *Reworked {
	now := t.Was
	now.Variants, now.Recipe = variants, t.worker.Recipe()
	return &Reworked{Digest: digest, Result: now}
}

// digest names a place for objects that has never had, and never gets, others: what
// is made of the same source in the same way is the same.
func (t *rework) digest(sha256sum, part string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{sha256sum, t.worker.Recipe(), part}, "\n")))
	return hex.EncodeToString(sum[:])
}

// keep stores renditions, so that no deletion removes them.
func (t *rework) keep(ctx context.Context, digest string, renditions []Rendition) ([]Variant, error) {
	t.stage = StageStore
	err := t.worker.reach(ctx, t.log, func(ctx context.Context) error {
		return t.store.ReserveRework(ctx, t.Rework, digest)
	})
	if err != nil {
		return nil, err
	}
	return t.worker.put(ctx, func(object string) string { return VariantFolder(t.ObjectKey, digest) + object }, renditions)
}

// reworkError is what the error of a second pass means.
func reworkError(ctx context.Context, stage Stage, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known), errors.Is(err, ErrLeaseLost):
		return err
	}
	return internal(stage, err)
}
