package imaging

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// objectPrefix begins the keys of what is made for a product under one digest.
func objectPrefix(product uuid.UUID, digest string) string {
	return fmt.Sprintf("products/%s/%s/", product, digest)
}

// put stores renditions, each object once, and gives the variants that they are.
func (w *Worker) put(ctx context.Context, prefix string, renditions []Rendition) ([]Variant, error) {
	variants := make([]Variant, len(renditions))
	seen := make(map[string]bool, len(renditions))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, r := range renditions {
		variants[i] = Variant{
			Name: r.Name, Key: prefix + r.Object, Width: r.Width, Height: r.Height,
			Bytes: r.bytes(), Format: string(r.Format),
		}
		if seen[r.Object] {
			continue
		}
		seen[r.Object] = true
		group.Go(func() error {
			bounded, cancel := context.WithTimeout(groupCtx, w.cfg.StoreLimit)
			defer cancel()
			w.metrics.storedBytes.Add(float64(r.bytes()))
			return w.objects.Put(bounded, prefix+r.Object, r.Format.ContentType(), r.Body)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, storeUnavailable(err)
	}
	return variants, nil
}

func storeUnavailable(err error) error {
	return &Error{Code: CodeStoreUnavailable, Stage: StageStore, Transient: true, Ours: true,
		Detail: "the object store is out of reach", Err: err}
}
