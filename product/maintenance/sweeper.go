package maintenance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/job"
	"vitrine/product/postgres"
)

const (
	// sweepPause is the least time between two pages, and sweepPoll between two
	// looks at whether somebody has to begin.
	sweepPause = time.Second
	sweepPoll  = 15 * time.Second
	// pageTime bounds the work on a page. A page that is not finished after
	// pageLease counts as abandoned, and any replica may begin it again.
	pageTime  = 4 * time.Minute
	pageLease = 5 * time.Minute
)

// Object is what a listing tells of a stored object.
type Object = struct {
	Key      string
	Modified time.Time
}

// Objects is the objects that a [Sweeper] looks through. List gives up to limit
// of them whose keys begin with prefix and are greater than after, in the order
// of their keys' bytes.
type Objects interface {
	ObjectDeleter
	List(ctx context.Context, prefix, after string, limit int) ([]Object, error)
}

// SweepConfig is how a [Sweeper] behaves. The zero value is for production.
type SweepConfig struct {
	Interval time.Duration // from the end of one search to the next: an hour
	Age      time.Duration // least age of what is deleted: 24 hours
	Delay    time.Duration // after the process's start, give or take a half: 5 minutes
	Page     int           // objects that are looked at together: 1,000, which is the most
}

// Sweeper deletes objects that no image has, originals that no image needs,
// and uploads that are not known: what a worker had stored when its product was
// deleted, when the process ended before it could write the result down, or what was
// restored together with an older database. All replicas together go through the
// objects once in an interval, page by page.
type Sweeper struct {
	deletions deletions
	store     *postgres.DB
	objects   Objects
	cfg       SweepConfig
	log       *logrus.Logger
}

// NewSweeper makes a sweeper.
func NewSweeper(store *postgres.DB, jobs *job.Store, objects Objects, cfg SweepConfig, log *logrus.Logger) *Sweeper {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Hour
	}
	if cfg.Age <= 0 {
		cfg.Age = 24 * time.Hour
	}
	if cfg.Delay <= 0 {
		cfg.Delay = 5 * time.Minute
	}
	if cfg.Page <= 0 || cfg.Page > 1000 {
		cfg.Page = 1000
	}
	return &Sweeper{deletions: deletions{store: store, jobs: jobs, objects: objects}, store: store, objects: objects, cfg: cfg, log: log}
}

// Run looks through the objects until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	postgres.Pause(ctx, s.cfg.Delay/2+rand.N(s.cfg.Delay))
	return postgres.Poll(ctx, sweepPoll/2+rand.N(sweepPoll), s.log, "Sweep of objects cannot go on", func(ctx context.Context) (bool, error) {
		did, err := s.Page(ctx)
		if did {
			postgres.Pause(ctx, sweepPause)
		}
		return did, err
	})
}

// Page looks at the next page of objects, if it is due and no other replica is at
// it, and says whether it was.
func (s *Sweeper) Page(ctx context.Context) (bool, error) {
	after, err := s.claimSweep(ctx)
	switch {
	case errors.Is(err, product.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	next, wait, err := s.sweep(ctx, after)
	if err != nil {
		next, wait = after, time.Minute // somebody tries again
	}
	return true, errors.Join(err, s.releaseSweep(context.WithoutCancel(ctx), after, next, wait))
}

// claimSweep takes the next page, or gives [product.ErrNotFound] where it is not due.
func (s *Sweeper) claimSweep(ctx context.Context) (after string, err error) {
	const q = `
		UPDATE object_sweep SET due_at = clock_timestamp() + $1 * interval '1 microsecond'
		WHERE due_at <= clock_timestamp()
		RETURNING position`
	err = s.store.InTx(ctx, "claim sweep", func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &after, q, pageLease.Microseconds())
	})
	return after, err
}

func (s *Sweeper) releaseSweep(ctx context.Context, after, next string, wait time.Duration) error {
	const q = `
		UPDATE object_sweep SET position = $2, due_at = clock_timestamp() + $3 * interval '1 microsecond'
		WHERE position = $1`
	return s.store.InTx(ctx, "release sweep", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, after, next, wait.Microseconds())
		return err
	})
}

// sweptPart is what the objects under one prefix are looked at by.
type sweptPart struct {
	prefix string
	sweep  func(context.Context, []Object, time.Time) error
}

// sweep looks at the page behind after and gives where the next one begins and
// when. What lies under one prefix comes after another.
func (s *Sweeper) sweep(ctx context.Context, after string) (next string, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	parts := []sweptPart{
		{imaging.VariantPrefix, s.sweepDigests}, {imaging.OriginalPrefix, s.sweepOriginals}, {imaging.UploadPrefix, s.sweepUploads},
	}
	first := max(0, slices.IndexFunc(parts, func(p sweptPart) bool { return strings.HasPrefix(after, p.prefix) }))
	for _, part := range parts[first:] {
		next, err = s.sweepPage(ctx, part.prefix, after, part.sweep)
		if err != nil || next != "" {
			return next, sweepPause, err
		}
		after = ""
	}
	return "", s.cfg.Interval, nil
}

// sweepPage looks at a page of the objects under a prefix and gives the last key on
// it; "" where there are no more.
func (s *Sweeper) sweepPage(
	ctx context.Context, prefix, after string, sweep func(context.Context, []Object, time.Time) error,
) (next string, err error) {
	page, err := s.objects.List(ctx, prefix, after, s.cfg.Page)
	if err != nil {
		return "", fmt.Errorf("list objects: %w", err)
	}
	if err := sweep(ctx, page, time.Now().Add(-s.cfg.Age)); err != nil || len(page) < s.cfg.Page {
		return "", err
	}
	return page[len(page)-1].Key, nil
}

// sweepDigests deletes what is older than a time and made from sources that no
// image has.
func (s *Sweeper) sweepDigests(ctx context.Context, page []Object, before time.Time) error {
	unused, err := s.unused(ctx, digests(page, before))
	if err != nil {
		return err
	}
	return deleteEach(ctx, s.log, "digests", unused, func(d digest) (string, error) {
		_, err := s.deletions.delete(ctx, d.ObjectKey, d.SHA256)
		return imaging.VariantFolder(d.ObjectKey, d.SHA256), err
	})
}

// deleteEach deletes what a page has of a kind and nothing needs. remove also gives
// the key that it has deleted.
func deleteEach[T any](
	ctx context.Context, log *logrus.Logger, kind string, unneeded []T, remove func(T) (key string, err error),
) error {
	deleted := 0
	for _, one := range unneeded {
		key, err := remove(one)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case err != nil: // the others first; this one's turn comes again with the next search
			log.WithError(err).WithFields(logrus.Fields{"kind": kind, "key": key}).Warn("object that nothing needs is not deleted")
		default:
			deleted++
		}
	}
	if deleted > 0 {
		log.WithFields(logrus.Fields{"kind": kind, "deleted": deleted}).Info("objects that nothing needs deleted")
	}
	return nil
}

// digest names the objects that are made from one source of one product.
type digest struct {
	ObjectKey uuid.UUID `db:"object_key"`
	SHA256    string    `db:"sha256"`
}

// digests returns the digests of the page whose objects are all older than before. It
// ignores keys that no worker stores under: they are not ours to delete.
func digests(page []Object, before time.Time) []digest {
	var found []digest
	young := map[digest]bool{}
	for _, object := range page {
		objectKey, sha256, ok := imaging.ParseVariantKey(object.Key)
		if !ok {
			continue
		}
		d := digest{ObjectKey: objectKey, SHA256: sha256}
		if _, known := young[d]; !known {
			found = append(found, d)
		}
		young[d] = young[d] || !object.Modified.Before(before)
	}
	old := found[:0]
	for _, d := range found {
		if !young[d] {
			old = append(old, d)
		}
	}
	return old
}

// unused gives those that no image has at this moment. Whether that is still so
// is found out under the lock that deleting takes.
func (s *Sweeper) unused(ctx context.Context, all []digest) ([]digest, error) {
	return s.without(ctx, "unused objects", all, catalogue.UsesObjects)
}

// without gives the digests o for which no image meets a condition.
func (s *Sweeper) without(ctx context.Context, doing string, all []digest, condition string) ([]digest, error) {
	if len(all) == 0 {
		return nil, nil
	}
	keys, sums := make([]string, len(all)), make([]string, len(all))
	for i, d := range all {
		keys[i], sums[i] = d.ObjectKey.String(), d.SHA256
	}
	q := `
		SELECT o.object_key, o.sha256
		FROM unnest(cast($1 AS uuid[]), cast($2 AS text[])) AS o (object_key, sha256)
		WHERE NOT EXISTS (SELECT 1 FROM images WHERE` + condition + `)`
	var rows []digest
	err := s.store.Select(ctx, doing, &rows, q, pq.Array(keys), pq.Array(sums))
	return rows, err
}
