package maintenance

import (
	"context"
	"time"

	"vitrine/imaging"
	"vitrine/product/job"
)

// sweepOriginals deletes originals that are older than before and that no image needs, because
// a process ended before it could delete them. Reprocessing downloads a missing original
// again.
func (s *Sweeper) sweepOriginals(ctx context.Context, page []Object, before time.Time) error {
	var old []digest
	for _, object := range page {
		if objectKey, sha256, ok := imaging.ParseOriginalKey(object.Key); ok && object.Modified.Before(before) {
			old = append(old, digest{ObjectKey: objectKey, SHA256: sha256})
		}
	}
	idle, err := s.idleOriginals(ctx, old)
	if err != nil {
		return err
	}
	return deleteEach(ctx, s.log, "originals", idle, func(d digest) (string, error) {
		key := imaging.OriginalKey(d.ObjectKey, d.SHA256)
		return key, s.objects.Delete(ctx, key)
	})
}

// idleOriginals returns the digests whose original no image needs or is about to need.
func (s *Sweeper) idleOriginals(ctx context.Context, all []digest) ([]digest, error) {
	const needs = ` product_id = (SELECT products.id FROM products WHERE products.object_key = o.object_key) AND source_sha256 = o.sha256
		AND (status = 'processing' OR ` + job.NeedsOriginalSQL + `) `
	return s.without(ctx, "idle originals", all, needs)
}
