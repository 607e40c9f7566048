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

// reprocess brings a ready image up to date. It keeps the variants that are, and stores
// the others. An image that is up to date is unchanged.
func (t *attempt) reprocess(ctx context.Context) (*made, error) {
	t.stage = imaging.StageFetch
	if t.claim.Reason == imaging.ReasonFocal {
		return t.square(ctx)
	}
	need := imaging.StalenessOf(t.claim.Was.PipelineVersion, t.worker.PipelineVersion())
	if need == imaging.UpToDate && (t.claim.Reason == imaging.ReasonWebP || uploaded(t.claim.Source)) {
		return t.unchanged(), nil
	}
	if need == imaging.OutdatedWebP && !t.worker.makesWebP() {
		return t.became(t.withoutWebP()), nil
	}
	src, release, err := t.fetchAgain(ctx, need)
	if errors.Is(err, fetch.ErrNotModified) {
		return t.unchanged(), nil
	}
	if err != nil {
		return nil, err
	}
	defer release()
	switch changed := src.SHA256 != t.claim.Was.SourceSHA256; {
	case changed && t.claim.Reason == imaging.ReasonWebP:
		// Nobody has asked for another picture, nor for two in one.
		return nil, &imaging.Error{Code: imaging.CodeSourceChanged, Stage: imaging.StageFetch, Detail: "the source is another picture by now; the image was left as it is"}
	case changed || need == imaging.Outdated:
		return t.makeAll(ctx, src)
	case need == imaging.UpToDate:
		now := t.unchanged()
		now.Validators = t.validators(src)
		return now, nil
	}
	return t.addWebP(ctx, src)
}

func (t *attempt) unchanged() *made { return &made{Result: t.claim.Was, unchanged: true} }

// became is the same picture with other variants of the present pipeline version.
func (t *attempt) became(variants []imaging.Variant) *made {
	now := t.claim.Was
	now.Variants, now.PipelineVersion = variants, t.worker.PipelineVersion()
	return &made{Result: now}
}

// validators returns the validators of the source. A kept original has none.
func (t *attempt) validators(src fetch.Source) imaging.Validators {
	if t.claim.Reason == imaging.ReasonWebP {
		return t.claim.Was.Validators
	}
	return src.Validators
}

// fetchAgain reads an upload, or the original that the first processing kept for WebP
// variants. Otherwise it downloads the source, and returns [fetch.ErrNotModified] if only a
// changed source would be of use.
func (t *attempt) fetchAgain(ctx context.Context, need imaging.Staleness) (src fetch.Source, release func(), err error) {
	w, c := t.worker, t.claim
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
		// A deferral counts here: the image is ready, and when a host is down for good,
		// thousands of images must not come back for ever.
		err = &imaging.Error{Code: imaging.CodeSourceUnavailable, Stage: imaging.StageFetch, Transient: true, RetryAfter: fetch.HostPause,
			Detail: host(c.Source) + " has been failing", Err: err}
	}
	return src, release, err
}

// makeAll makes all variants of a source.
func (t *attempt) makeAll(ctx context.Context, src fetch.Source) (*made, error) {
	processed, err := t.withWebP(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	digest := t.folder(src.SHA256, "all "+t.claim.Focal.SquareObject(imaging.JPEG))
	variants, err := t.keepUnder(ctx, digest, processed.Renditions)
	if err != nil {
		return nil, err
	}
	now := processed.Result(src.SHA256, int64(len(src.Body)), variants)
	now.PipelineVersion, now.Validators = t.worker.PipelineVersion(), t.validators(src)
	return &made{Result: now}, nil
}

// withWebP makes the renditions of a source, including those in WebP.
func (t *attempt) withWebP(ctx context.Context, src fetch.Source) (*process.Processed, error) {
	t.stage = imaging.StageDecode
	return t.worker.process.Process(ctx, src.Body, process.Options{WebP: t.worker.cfg.WebP, Focal: t.claim.Focal})
}

// addWebP makes the WebP variants of a source beside the others.
func (t *attempt) addWebP(ctx context.Context, src fetch.Source) (*made, error) {
	processed, err := t.withWebP(ctx, src)
	if err != nil {
		return nil, err
	}
	defer processed.Release()
	added := slices.DeleteFunc(processed.Renditions, func(r process.Rendition) bool { return r.Format != imaging.WebP })
	variants, err := t.keepUnder(ctx, t.folder(src.SHA256, "webp"), added)
	if err != nil {
		return nil, err
	}
	now := t.became(append(t.withoutWebP(), variants...))
	now.Validators = t.validators(src)
	return now, nil
}

// withoutWebP returns the variants of the image that are not WebP.
func (t *attempt) withoutWebP() []imaging.Variant {
	return slices.DeleteFunc(slices.Clone(t.claim.Was.Variants), func(v imaging.Variant) bool { return v.Format == string(imaging.WebP) })
}

// folder returns a digest to store objects under that never holds any others: the same
// pipeline version makes the same files of the same source.
func (t *attempt) folder(sha256sum, part string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{sha256sum, t.worker.PipelineVersion(), part}, "\n")))
	return hex.EncodeToString(sum[:])
}

// keepUnder stores renditions under a digest, protected from deletion.
func (t *attempt) keepUnder(ctx context.Context, digest string, renditions []process.Rendition) ([]imaging.Variant, error) {
	t.stage = imaging.StageStore
	err := t.worker.reach(ctx, t.log, func(ctx context.Context) error {
		_, err := t.worker.store.Reserve(ctx, t.claim, digest)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t.worker.put(ctx, func(object string) string { return imaging.VariantFolder(t.claim.ObjectKey, digest) + object }, renditions)
}
