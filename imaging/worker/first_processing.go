package worker

import (
	"context"
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
func (a *attempt) first(ctx context.Context) (*imaging.Result, error) {
	src, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer src.release()
	duplicate, err := a.reserve(ctx, src)
	if err != nil {
		return nil, err
	}
	if duplicate != nil {
		if err := a.keepOriginal(ctx, src); err != nil {
			return nil, err
		}
		return duplicate, nil
	}
	processed, err := a.produce(ctx, &src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	variants, err := a.keep(ctx, src, processed.Renditions)
	if err != nil {
		return nil, err
	}
	made := processed.Result(src.sha256, src.bytes, variants)
	made.PipelineVersion, made.WebPDue, made.Validators = a.worker.baseVersion(), a.worker.makesWebP(), src.validators
	return &made, nil
}

// fetched is a fetched source. Its body is released once the variants are made.
type fetched struct {
	sha256     string
	bytes      int64
	validators imaging.Validators
	body       []byte // nil once it is no longer needed
	release    func() // releases the memory of body; further calls do nothing
}

// open fetches the source.
func (a *attempt) open(ctx context.Context) (fetched, error) {
	a.stage = imaging.StageFetch
	began := time.Now()
	src, release, err := a.fetch(ctx)
	a.observe(imaging.StageFetch, time.Since(began))
	if err != nil {
		return fetched{}, err
	}
	d := fetched{sha256: src.SHA256, bytes: int64(len(src.Body)), validators: src.Validators, body: src.Body, release: sync.OnceFunc(release)}
	a.worker.metrics.sourceBytes.Add(float64(d.bytes))
	a.log.WithFields(logrus.Fields{
		"host": imaging.SourceHost(a.claim.Source), "bytes_before": d.bytes, "duration_ms": time.Since(began).Milliseconds(),
	}).Info("Image fetched")
	return d, nil
}

// reserve protects what is about to be stored for the source from deletion. It returns
// the result of a duplicate, or nil if there is none.
func (a *attempt) reserve(ctx context.Context, src fetched) (result *imaging.Result, err error) {
	var duplicate *imaging.Result
	err = a.worker.reach(ctx, a.log, func(ctx context.Context) error {
		duplicate, err = a.worker.store.Reserve(ctx, a.claim, src.sha256)
		return err
	})
	if err != nil || duplicate == nil {
		return nil, err
	}
	// Variants that reprocessing has stored are under other digests, which are not reserved.
	// They are made anew.
	prefix := imaging.VariantFolder(a.claim.ObjectKey, src.sha256)
	made := *duplicate
	made.Variants = slices.DeleteFunc(slices.Clone(duplicate.Variants), func(v imaging.Variant) bool { return !strings.HasPrefix(v.Key, prefix) })
	if imaging.CompareVersions(duplicate.PipelineVersion, a.worker.baseVersion()) == imaging.Outdated || len(made.Variants) != len(imaging.Sizes)+1 || !a.hasSquare(src, made.Variants) {
		return nil, nil
	}
	made.PipelineVersion, made.WebPDue, made.Validators = a.worker.baseVersion(), a.worker.makesWebP(), src.validators
	a.worker.metrics.duplicates.Inc()
	a.log.Info("Image is a duplicate")
	return &made, nil
}

// hasSquare reports whether the last of the variants is the square around the focal
// point of the claim. A duplicate may have the point already, but not yet its square. A
// square picture needs no square variant.
func (a *attempt) hasSquare(src fetched, variants []imaging.Variant) bool {
	last := len(variants) - 1
	square := variants[last]
	return square.Key == a.key(src, a.claim.Focal.SquareObject(imaging.Format(square.Format))) ||
		slices.ContainsFunc(variants[:last], func(v imaging.Variant) bool { return v.Key == square.Key })
}

// key returns the key of an object that is made from the source.
func (a *attempt) key(src fetched, object string) string {
	return a.worker.firstKey(a.claim.ObjectKey, src.sha256, object)
}

// produce makes the variants of the source, and releases the memory of the source unless it
// has to be stored too.
func (a *attempt) produce(ctx context.Context, src *fetched) (*process.Processed, error) {
	a.stage = imaging.StageDecode
	processed, err := a.worker.process.Process(ctx, src.body, process.Options{Focal: a.claim.Focal})
	if err != nil {
		return nil, err
	}
	if !a.keepsOriginal() {
		src.body = nil
		src.release()
	}
	a.observe(imaging.StageDecode, processed.DecodeTime)
	a.observe(imaging.StageTransform, processed.TransformTime)
	a.log.WithFields(logrus.Fields{
		"format": processed.Format, "width": processed.Width, "height": processed.Height,
		"bytes_before": src.bytes, "bytes_after": processed.Renditions[0].Size(),
		"decode_ms": processed.DecodeTime.Milliseconds(), "transform_ms": processed.TransformTime.Milliseconds(),
	}).Info("Image transformed")
	return processed, nil
}

// fetch reads an upload, or downloads the source unless its host is busy or failing and
// the image can wait.
func (a *attempt) fetch(ctx context.Context) (src fetch.Source, release func(), err error) {
	if uploaded(a.claim.Source) {
		return a.worker.readObject(ctx, a.claim.Source)
	}
	return a.worker.download(ctx, a.claim.Source, imaging.Validators{}, a.claim.Deferrals)
}

// keep stores the variants under keys that name the source they were made from, and the
// source if reprocessing will need it.
func (a *attempt) keep(ctx context.Context, src fetched, renditions []process.Rendition) (variants []imaging.Variant, err error) {
	a.stage = imaging.StageStore
	began := time.Now()
	defer func() { a.observe(imaging.StageStore, time.Since(began)) }()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.keepOriginal(groupCtx, src) })
	group.Go(func() (err error) {
		variants, err = a.worker.put(groupCtx, func(object string) string { return a.key(src, object) }, renditions)
		return err
	})
	err = group.Wait()
	return variants, err
}

// keepOriginal stores the source if reprocessing will need it, and releases its memory.
func (a *attempt) keepOriginal(ctx context.Context, src fetched) error {
	defer src.release()
	if !a.keepsOriginal() {
		return nil
	}
	return a.worker.putOriginal(ctx, a.claim.ObjectKey, src.sha256, src.body)
}
