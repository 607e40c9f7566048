package imaging

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
)

// try is one attempt at a claimed image.
type try struct {
	worker  *Worker
	claim   Claim
	log     *logrus.Entry
	started time.Time
	stage   Stage
}

// run makes the try, renewing its lease all the while, and settles it.
func (t *try) run(ctx context.Context) Verdict {
	work, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		t.renew(work, cancel)
	}()
	defer func() {
		cancel(nil)
		<-renewed
	}()
	result, err := guarded(work, t.log, &t.stage, t.work)
	if errors.Is(context.Cause(work), ErrLeaseLost) || errors.Is(err, ErrLeaseLost) {
		return t.lost()
	}
	return t.settle(ctx, t.outcome(ctx, result, err))
}

// renew prolongs the lease until work ends or the lease is lost, which ends work.
// While the job store is out of reach it goes on trying: nobody else can take the
// lease then either.
func (t *try) renew(work context.Context, cancel context.CancelCauseFunc) {
	lease := t.worker.cfg.Lease
	for sleep(work, lease/4) == nil {
		bounded, done := context.WithTimeout(work, lease/4)
		err := t.worker.store.Renew(bounded, t.claim, lease)
		done()
		switch {
		case errors.Is(err, ErrLeaseLost):
			cancel(ErrLeaseLost)
			return
		case err != nil && work.Err() == nil:
			t.log.WithError(err).Warn("Image lease not renewed")
		}
	}
}

func (t *try) lost() Verdict {
	t.worker.metrics.tries.WithLabelValues("lost", "").Inc()
	t.log.Warn("Image lease lost")
	return Ack
}

// work does the stages one after the other.
func (t *try) work(ctx context.Context) (*Result, error) {
	if t.claim.Attempt > t.worker.cfg.MaxAttempts {
		return nil, &Error{Code: CodeWorkerCrashed, Stage: StageClaim,
			Detail: fmt.Sprintf("none of %d tries came to an end", t.worker.cfg.MaxAttempts)}
	}
	src, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer src.release()
	twin, err := t.reserve(ctx, src)
	if err != nil {
		return nil, err
	}
	if twin != nil {
		if err := t.keepOriginal(ctx, src); err != nil {
			return nil, err
		}
		return twin, nil
	}
	processed, err := t.produce(ctx, &src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	variants, err := t.keep(ctx, src, processed.Renditions)
	if err != nil {
		return nil, err
	}
	made := processed.result(src.sha256, src.bytes, variants)
	made.Recipe, made.SecondPass, made.Validators = t.worker.firstRecipe(), t.worker.secondPass(), src.validators
	return &made, nil
}

// digest is a source, and what stays of it once its renditions are made.
type digest struct {
	sha256     string
	bytes      int64
	validators Validators
	body       []byte // nil once nobody will want it any more
	release    func() // gives back body's memory; more calls do nothing
}

// open fetches the source.
func (t *try) open(ctx context.Context) (digest, error) {
	t.stage = StageFetch
	began := time.Now()
	src, release, err := t.fetch(ctx)
	t.observe(StageFetch, time.Since(began))
	if err != nil {
		return digest{}, err
	}
	d := digest{sha256: src.SHA256, bytes: int64(len(src.Body)), validators: src.Validators, body: src.Body, release: sync.OnceFunc(release)}
	t.worker.metrics.sourceBytes.Add(float64(d.bytes))
	t.log.WithFields(logrus.Fields{
		"host": host(t.claim.Source), "bytes_before": d.bytes, "duration_ms": time.Since(began).Milliseconds(),
	}).Info("Image fetched")
	return d, nil
}

// reserve makes sure that what is stored for the source stays, and gives the result
// of the same work where it was done for another image of the product.
func (t *try) reserve(ctx context.Context, src digest) (result *Result, err error) {
	var twin *Result
	err = t.worker.reach(ctx, t.log, func(ctx context.Context) error {
		twin, err = t.worker.store.Reserve(ctx, t.claim, src.sha256)
		return err
	})
	if err != nil || twin == nil {
		return nil, err
	}
	// What a second pass has stored lies under a digest of its own, which is not
	// reserved, and is made anew.
	prefix := VariantFolder(t.claim.ObjectKey, src.sha256)
	made := *twin
	made.Variants = slices.DeleteFunc(slices.Clone(twin.Variants), func(v Variant) bool { return !strings.HasPrefix(v.Key, prefix) })
	if stale(twin.Recipe, t.worker.firstRecipe()) == entirely || len(made.Variants) != len(Sizes)+1 || !t.hasSquare(src, made.Variants) {
		return nil, nil
	}
	made.Recipe, made.SecondPass, made.Validators = t.worker.firstRecipe(), t.worker.secondPass(), src.validators
	t.worker.metrics.twins.Inc()
	t.log.Info("Image is known already")
	return &made, nil
}

// hasSquare says whether the last of the variants is the square round the claim's
// point: a twin may have the point by now, and its square not yet. A picture that is
// a square needs none of its own.
func (t *try) hasSquare(src digest, variants []Variant) bool {
	last := len(variants) - 1
	square := variants[last]
	return square.Key == t.key(src, t.claim.Focal.SquareObject(Format(square.Format))) ||
		slices.ContainsFunc(variants[:last], func(v Variant) bool { return v.Key == square.Key })
}

// key is where an object that is made of the source is kept.
func (t *try) key(src digest, object string) string {
	return t.worker.firstKey(t.claim.ObjectKey, src.sha256, object)
}

// produce makes the renditions of the source, whose memory is given back unless it
// is to be stored too.
func (t *try) produce(ctx context.Context, src *digest) (*Processed, error) {
	t.stage = StageDecode
	processed, err := t.worker.process.Process(ctx, src.body, Options{Focal: t.claim.Focal})
	if err != nil {
		return nil, err
	}
	if !t.keepsOriginal() {
		src.body = nil
		src.release()
	}
	t.observe(StageDecode, processed.DecodeTime)
	t.observe(StageTransform, processed.TransformTime)
	t.log.WithFields(logrus.Fields{
		"format": processed.Format, "width": processed.Width, "height": processed.Height,
		"bytes_before": src.bytes, "bytes_after": processed.Renditions[0].bytes(),
		"decode_ms": processed.DecodeTime.Milliseconds(), "transform_ms": processed.TransformTime.Milliseconds(),
	}).Info("Image transformed")
	return processed, nil
}

// fetch gets the source: an upload, or what is downloaded, unless its host is
// busy or failing and the picture can wait.
func (t *try) fetch(ctx context.Context) (src Source, release func(), err error) {
	if uploaded(t.claim.Source) {
		return t.worker.readObject(ctx, t.claim.Source)
	}
	return t.worker.download(ctx, t.claim.Source, Validators{}, t.claim.Deferrals)
}

// keep stores the renditions under keys that name the content they were made of,
// and the source where the second pass will want it.
func (t *try) keep(ctx context.Context, src digest, renditions []Rendition) (variants []Variant, err error) {
	t.stage = StageStore
	began := time.Now()
	defer func() { t.observe(StageStore, time.Since(began)) }()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.keepOriginal(groupCtx, src) })
	group.Go(func() (err error) {
		variants, err = t.worker.put(groupCtx, func(object string) string { return t.key(src, object) }, renditions)
		return err
	})
	err = group.Wait()
	return variants, err
}

// keepOriginal stores the source where the second pass will want it, and gives back
// its memory.
func (t *try) keepOriginal(ctx context.Context, src digest) error {
	defer src.release()
	if !t.keepsOriginal() {
		return nil
	}
	return t.worker.putOriginal(ctx, t.claim.ObjectKey, src.sha256, src.body)
}

func (t *try) observe(stage Stage, d time.Duration) {
	t.worker.metrics.stages.WithLabelValues(string(stage)).Observe(d.Seconds())
}

// host is what the log may show of a source: paths and queries can hold secrets.
func host(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
