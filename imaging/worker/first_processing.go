package worker

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/process"
)

// first makes the image ready: it fetches the source, makes the variants and stores
// them.
func (t *attempt) first(ctx context.Context) (*imaging.Result, error) {
	src, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer src.release()
	duplicate, err := t.reserve(ctx, src)
	if err != nil {
		return nil, err
	}
	if duplicate != nil {
		if err := t.keepOriginal(ctx, src); err != nil {
			return nil, err
		}
		return duplicate, nil
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
	made := processed.Result(src.sha256, src.bytes, variants)
	made.PipelineVersion, made.WebPDue, made.Validators = t.worker.baseVersion(), t.worker.makesWebP(), src.validators
	return &made, nil
}

// digest is a source, or what is left of it once its variants are made.
type digest struct {
	sha256     string
	bytes      int64
	validators imaging.Validators
	body       []byte // nil once it is no longer needed
	release    func() // releases the memory of body; further calls do nothing
}

// open fetches the source.
func (t *attempt) open(ctx context.Context) (digest, error) {
	t.stage = imaging.StageFetch
	began := time.Now()
	src, release, err := t.fetch(ctx)
	t.observe(imaging.StageFetch, time.Since(began))
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

// reserve protects what is about to be stored for the source from deletion. It returns
// the result of a duplicate, or nil if there is none.
func (t *attempt) reserve(ctx context.Context, src digest) (result *imaging.Result, err error) {
	var duplicate *imaging.Result
	err = t.worker.reach(ctx, t.log, func(ctx context.Context) error {
		duplicate, err = t.worker.store.Reserve(ctx, t.claim, src.sha256)
		return err
	})
	if err != nil || duplicate == nil {
		return nil, err
	}
	// What reprocessing has stored lies under a digest of its own, which is not
	// reserved, and is made anew.
	prefix := imaging.VariantFolder(t.claim.ObjectKey, src.sha256)
	made := *duplicate
	made.Variants = slices.DeleteFunc(slices.Clone(duplicate.Variants), func(v imaging.Variant) bool { return !strings.HasPrefix(v.Key, prefix) })
	if imaging.StalenessOf(duplicate.PipelineVersion, t.worker.baseVersion()) == imaging.Outdated || len(made.Variants) != len(imaging.Sizes)+1 || !t.hasSquare(src, made.Variants) {
		return nil, nil
	}
	made.PipelineVersion, made.WebPDue, made.Validators = t.worker.baseVersion(), t.worker.makesWebP(), src.validators
	t.worker.metrics.duplicates.Inc()
	t.log.Info("Image is a duplicate")
	return &made, nil
}

// hasSquare reports whether the last of the variants is the square around the focal
// point of the claim. A duplicate may have the point already, and its square not yet. A
// picture that is a square needs none of its own.
func (t *attempt) hasSquare(src digest, variants []imaging.Variant) bool {
	last := len(variants) - 1
	square := variants[last]
	return square.Key == t.key(src, t.claim.Focal.SquareObject(imaging.Format(square.Format))) ||
		slices.ContainsFunc(variants[:last], func(v imaging.Variant) bool { return v.Key == square.Key })
}

// key returns the key of an object that is made of the source.
func (t *attempt) key(src digest, object string) string {
	return t.worker.firstKey(t.claim.ObjectKey, src.sha256, object)
}

// produce makes the variants of the source, whose memory is released unless the source
// is to be stored too.
func (t *attempt) produce(ctx context.Context, src *digest) (*process.Processed, error) {
	t.stage = imaging.StageDecode
	processed, err := t.worker.process.Process(ctx, src.body, process.Options{Focal: t.claim.Focal})
	if err != nil {
		return nil, err
	}
	if !t.keepsOriginal() {
		src.body = nil
		src.release()
	}
	t.observe(imaging.StageDecode, processed.DecodeTime)
	t.observe(imaging.StageTransform, processed.TransformTime)
	t.log.WithFields(logrus.Fields{
		"format": processed.Format, "width": processed.Width, "height": processed.Height,
		"bytes_before": src.bytes, "bytes_after": processed.Renditions[0].Size(),
		"decode_ms": processed.DecodeTime.Milliseconds(), "transform_ms": processed.TransformTime.Milliseconds(),
	}).Info("Image transformed")
	return processed, nil
}

// fetch reads an upload, or downloads the source unless its host is busy or failing and
// the image can wait.
func (t *attempt) fetch(ctx context.Context) (src fetch.Source, release func(), err error) {
	if uploaded(t.claim.Source) {
		return t.worker.readObject(ctx, t.claim.Source)
	}
	return t.worker.download(ctx, t.claim.Source, imaging.Validators{}, t.claim.Deferrals)
}

// keep stores the variants under keys that name the content they were made of, and the
// source if reprocessing will need it.
func (t *attempt) keep(ctx context.Context, src digest, renditions []process.Rendition) (variants []imaging.Variant, err error) {
	t.stage = imaging.StageStore
	began := time.Now()
	defer func() { t.observe(imaging.StageStore, time.Since(began)) }()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.keepOriginal(groupCtx, src) })
	group.Go(func() (err error) {
		variants, err = t.worker.put(groupCtx, func(object string) string { return t.key(src, object) }, renditions)
		return err
	})
	err = group.Wait()
	return variants, err
}

// keepOriginal stores the source if reprocessing will need it, and releases its memory.
func (t *attempt) keepOriginal(ctx context.Context, src digest) error {
	defer src.release()
	if !t.keepsOriginal() {
		return nil
	}
	return t.worker.putOriginal(ctx, t.claim.ObjectKey, src.sha256, src.body)
}

// host returns the host of a source for the log. Paths and queries can hold secrets.
func host(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
