package worker

import (
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"vitrine/imaging"
	"vitrine/imaging/process"
)

// firstKey returns the key of an object of the first processing. The key names the pipeline
// version, so that another version's object, made from the same source for another image of
// the product, does not replace it: clients cache objects for ever.
func (w *Worker) firstKey(objectKey uuid.UUID, sha256sum, object string) string {
	return imaging.VariantKey(objectKey, sha256sum, object, w.baseVersion())
}

// put stores renditions, each object once, under the key that key returns for it, and
// returns them as variants.
func (w *Worker) put(ctx context.Context, key func(object string) string, renditions []process.Rendition) ([]imaging.Variant, error) {
	variants := make([]imaging.Variant, len(renditions))
	seen := make(map[string]bool, len(renditions))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, r := range renditions {
		variants[i] = imaging.Variant{
			Name: r.Name, Key: key(r.Object), Width: r.Width, Height: r.Height,
			Bytes: r.Size(), Format: string(r.Format),
		}
		if seen[r.Object] {
			continue
		}
		seen[r.Object] = true
		group.Go(func() error {
			w.metrics.storedBytes.Add(float64(r.Size()))
			return w.putObject(groupCtx, variants[i].Key, r.Format.ContentType(), r.Body)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return variants, nil
}

func (w *Worker) putObject(ctx context.Context, key, contentType string, body []byte) error {
	bounded, cancel := context.WithTimeout(ctx, w.cfg.StoreLimit)
	defer cancel()
	if err := w.objects.Put(bounded, key, contentType, body); err != nil {
		return storeUnavailable(imaging.StageStore, err)
	}
	return nil
}

func storeUnavailable(stage imaging.Stage, err error) *imaging.Error {
	return &imaging.Error{Code: imaging.CodeStoreUnavailable, Stage: stage, Transient: true, Ours: true,
		Detail: "the object store is unavailable", Err: err}
}
