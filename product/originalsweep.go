package product

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"vitrine/imaging"
)

// originalPrefix begins the keys of the sources that wait for a second pass.
const originalPrefix = "originals/"

// originalKey is the form of these keys: see [imaging.OriginalKey].
var originalKey = regexp.MustCompile(`^originals/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([0-9a-f]{64})$`)

// sweepOriginals deletes sources that are older than a time and that no second pass
// waits for: what was left by a process that ended before it could. A pass that
// misses one all the same fetches it anew.
func (s *Sweeper) sweepOriginals(ctx context.Context, page []Object, before time.Time) error {
	var old []digest
	for _, object := range page {
		if m := originalKey.FindStringSubmatch(object.Key); m != nil && object.Modified.Before(before) {
			old = append(old, digest{uuid.MustParse(m[1]), m[2]})
		}
	}
	idle, err := s.store.idleOriginals(ctx, old)
	if err != nil {
		return err
	}
	deleted := 0
	for _, d := range idle {
		key := imaging.OriginalKey(d.Product, d.SHA256)
		err := s.objects.Delete(ctx, key)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case err != nil: // the others first; this one's turn comes again with the next search
			s.log.WithError(err).WithField("key", key).Warn("source that nothing waits for is not deleted")
		default:
			deleted++
		}
	}
	if deleted > 0 {
		s.log.WithField("originals", deleted).Info("sources that nothing waits for deleted")
	}
	return nil
}

// idleOriginals gives those that no image is about to need.
func (s *Store) idleOriginals(ctx context.Context, all []digest) ([]digest, error) {
	if len(all) == 0 {
		return nil, nil
	}
	products, sums := make([]string, len(all)), make([]string, len(all))
	for i, d := range all {
		products[i], sums[i] = d.Product.String(), d.SHA256
	}
	const q = `
		SELECT o.product, o.sha256
		FROM unnest(cast($1 AS uuid[]), cast($2 AS text[])) AS o (product, sha256)
		WHERE NOT EXISTS (
			SELECT 1 FROM images
			WHERE product_id = o.product AND source_sha256 = o.sha256 AND (status = 'processing' OR EXISTS (
				SELECT 1 FROM outbox WHERE subject = images.id AND kind = 'image_rework')))`
	var rows []digest
	err := s.read(ctx, "idle originals", func(ctx context.Context) error {
		return s.db.SelectContext(ctx, &rows, q, pq.Array(products), pq.Array(sums))
	})
	return rows, err
}
