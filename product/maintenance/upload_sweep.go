package maintenance

import (
	"context"
	"time"

	"github.com/lib/pq"

	"vitrine/imaging"
)

// sweepUploads deletes uploaded files that are older than before and have no row: they arrived
// after their row was deleted, or were restored without the database. A row is inserted before
// its file arrives and never again, so nothing can refer to these files.
func (s *Sweeper) sweepUploads(ctx context.Context, page []Object, before time.Time) error {
	var old []string
	for _, object := range page {
		if _, _, ok := imaging.ParseUploadKey(object.Key); ok && object.Modified.Before(before) {
			old = append(old, object.Key)
		}
	}
	unknown, err := s.unknownUploads(ctx, old)
	if err != nil {
		return err
	}
	return deleteEach(ctx, s.log, "uploads", unknown, func(key string) (string, error) {
		return key, s.objects.Delete(ctx, key)
	})
}

// unknownUploads returns the keys that have neither a row nor an image that refers to them.
func (s *Sweeper) unknownUploads(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	const q = `
		SELECT o.key
		FROM unnest(cast($1 AS text[])) AS o (key)
		WHERE NOT EXISTS (
				SELECT 1 FROM uploads
				WHERE id = cast(split_part(o.key, '/', 3) AS uuid) AND user_id = cast(split_part(o.key, '/', 2) AS bigint))
			AND NOT EXISTS (
				SELECT 1 FROM images WHERE starts_with(source, 'upload:') AND source = 'upload:' || o.key)`
	var unknown []string
	err := s.store.Select(ctx, "unknown uploads", &unknown, q, pq.Array(keys))
	return unknown, err
}
