package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/process"
)

// makesWebP reports whether ready images get WebP variants.
func (w *Worker) makesWebP() bool { return imaging.WebPVersion(w.cfg.WebP) != "" }

// PipelineVersion returns the version of all variants that the worker makes: see
// [imaging.PipelineVersion].
func (w *Worker) PipelineVersion() string {
	return imaging.PipelineVersion(w.process.SSIMTarget(), w.cfg.WebP)
}

// baseVersion returns the version of what the first processing makes.
func (w *Worker) baseVersion() string { return imaging.BaseVersion(w.process.SSIMTarget()) }

// reprocess makes the outdated variants of a ready image and keeps the others.
func (a *attempt) reprocess(ctx context.Context) (*made, error) {
	a.stage = imaging.StageFetch
	if a.claim.Reason == imaging.ReasonFocal {
		return a.square(ctx)
	}
	need := imaging.CompareVersions(a.claim.Was.PipelineVersion, a.worker.PipelineVersion())
	if need == imaging.UpToDate && (a.claim.Reason == imaging.ReasonWebP || uploaded(a.claim.Source)) {
		return a.unchanged(), nil
	}
	if need == imaging.OutdatedWebP && !a.worker.makesWebP() {
		return a.became(a.withoutWebP()), nil
	}
	src, release, err := a.fetchAgain(ctx, need)
	if errors.Is(err, fetch.ErrNotModified) {
		return a.unchanged(), nil
	}
	if err != nil {
		return nil, err
	}
	defer release()
	switch changed := src.SHA256 != a.claim.Was.SourceSHA256; {
	case changed && a.claim.Reason == imaging.ReasonWebP:
		// The client has not asked for the new picture, and an image has variants of one picture only.
		return nil, &imaging.Error{Code: imaging.CodeSourceChanged, Stage: imaging.StageFetch, Detail: "the source is now a different image; the current variants were kept"}
	case changed || need == imaging.Outdated:
		return a.makeAll(ctx, src)
	case need == imaging.UpToDate:
		now := a.unchanged()
		now.Validators = a.validators(src)
		return now, nil
	}
	return a.addWebP(ctx, src)
}

func (a *attempt) unchanged() *made { return &made{Result: a.claim.Was, unchanged: true} }

// became returns the same picture with other variants, of the current pipeline version.
func (a *attempt) became(variants []imaging.Variant) *made {
	now := a.claim.Was
	now.Variants, now.PipelineVersion = variants, a.worker.PipelineVersion()
	return &made{Result: now}
}

// validators returns the validators of the source. A kept original has none.
func (a *attempt) validators(src fetch.Source) imaging.Validators {
	if a.claim.Reason == imaging.ReasonWebP {
		return a.claim.Was.Validators
	}
	return src.Validators
}

// fetchAgain reads an upload, or the original that the first processing kept for WebP
// variants. Otherwise it downloads the source, and returns [fetch.ErrNotModified] if only a
// changed source would be useful.
func (a *attempt) fetchAgain(ctx context.Context, need imaging.Staleness) (src fetch.Source, release func(), err error) {
	w, c := a.worker, a.claim
	if uploaded(c.Source) {
		return w.readObject(ctx, c.Source)
	}
	if c.Reason == imaging.ReasonWebP {
		src, release, there, err := w.openOriginal(ctx, c.ObjectKey, c.Was.SourceSHA256)
		if there || err != nil {
			return src, release, err
		}
	}
	known := imaging.Validators{}
	if need == imaging.UpToDate {
		known = c.Was.Validators
	}
	src, release, err = w.download(ctx, c.Source, known, c.Attempt-1)
	if fetch.IsHostFailing(err) {
		// A deferral counts as an attempt here. Otherwise thousands of ready images would be
		// retried for ever if their host is down for good.
		err = &imaging.Error{Code: imaging.CodeSourceUnavailable, Stage: imaging.StageFetch, Transient: true, RetryAfter: fetch.HostPause,
			Detail: imaging.SourceHost(c.Source) + " has been failing", Err: err}
	}
	return src, release, err
}

// makeAll makes all variants of a source.
func (a *attempt) makeAll(ctx context.Context, src fetch.Source) (*made, error) {
	processed, err := a.withWebP(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	digest := a.folder(src.SHA256, "all "+a.claim.Focal.SquareObject(imaging.JPEG))
	variants, err := a.keepUnder(ctx, digest, processed.Renditions)
	if err != nil {
		return nil, err
	}
	now := processed.Result(src.SHA256, int64(len(src.Body)), variants)
	now.PipelineVersion, now.Validators = a.worker.PipelineVersion(), a.validators(src)
	return &made{Result: now}, nil
}

// withWebP makes the renditions of a source, including those in WebP.
func (a *attempt) withWebP(ctx context.Context, src fetch.Source) (*process.Processed, error) {
	a.stage = imaging.StageDecode
	return a.worker.process.Process(ctx, src.Body, process.Options{WebP: a.worker.cfg.WebP, Focal: a.claim.Focal})
}

// addWebP makes the WebP variants of a source beside the others.
func (a *attempt) addWebP(ctx context.Context, src fetch.Source) (*made, error) {
	processed, err := a.withWebP(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	added := slices.DeleteFunc(processed.Renditions, func(r process.Rendition) bool { return r.Format != imaging.WebP })
	variants, err := a.keepUnder(ctx, a.folder(src.SHA256, "webp"), added)
	if err != nil {
		return nil, err
	}
	now := a.became(append(a.withoutWebP(), variants...))
	now.Validators = a.validators(src)
	return now, nil
}

// withoutWebP returns the variants of the image that are not WebP.
func (a *attempt) withoutWebP() []imaging.Variant {
	return slices.DeleteFunc(slices.Clone(a.claim.Was.Variants), func(v imaging.Variant) bool { return v.Format == string(imaging.WebP) })
}

// folder returns a digest to store objects under. Objects of another source, pipeline version
// or part never have the same digest.
func (a *attempt) folder(sha256sum, part string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{sha256sum, a.worker.PipelineVersion(), part}, "\n")))
	return hex.EncodeToString(sum[:])
}

// keepUnder stores renditions under a digest, protected from deletion.
func (a *attempt) keepUnder(ctx context.Context, digest string, renditions []process.Rendition) ([]imaging.Variant, error) {
	a.stage = imaging.StageStore
	err := a.worker.reach(ctx, a.log, func(ctx context.Context) error {
		_, err := a.worker.store.Reserve(ctx, a.claim, digest)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.worker.put(ctx, func(object string) string { return imaging.VariantFolder(a.claim.ObjectKey, digest) + object }, renditions)
}
