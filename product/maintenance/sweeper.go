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
	// sweepPause is the least time between two pages. sweepPoll is the time between two
	// checks whether a page is due.
	sweepPause = time.Second
	sweepPoll  = 15 * time.Second
	// pageTime bounds the work on a page. A page that is not finished after pageLease
	// counts as abandoned, and any replica may start it again.
	pageTime  = 4 * time.Minute
	pageLease = 5 * time.Minute
)

// Object is an entry of a listing of stored objects.
type Object = struct {
	Key      string
	Modified time.Time
}

// Objects lists and deletes stored objects. List returns up to limit objects whose keys begin
// with prefix and are greater than after, in byte order of their keys.
type Objects interface {
	ObjectDeleter
	List(ctx context.Context, prefix, after string, limit int) ([]Object, error)
}

// SweepConfig configures a [Sweeper]. Zero fields have the defaults given here.
type SweepConfig struct {
	Interval time.Duration // from the end of one sweep to the next: an hour
	Age      time.Duration // minimum age of a deleted object: 24 hours
	Delay    time.Duration // from the start of the process, plus or minus half: 5 minutes
	Page     int           // objects per page: 1,000, which is also the maximum
}

// Sweeper deletes objects that no image uses, originals that no image needs, and uploads without
// a row. A worker leaves such objects if its product is deleted or its process ends before it
// can settle the job; restoring an older database leaves them too. All replicas together go
// through the objects once per interval, page by page.
type Sweeper struct {
	deletions deletions
	store     *postgres.DB
	objects   Objects
	cfg       SweepConfig
	log       *logrus.Logger
}

// NewSweeper returns a sweeper.
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

// Run sweeps pages that are due until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	postgres.Pause(ctx, s.cfg.Delay/2+rand.N(s.cfg.Delay))
	return postgres.Poll(ctx, sweepPoll/2+rand.N(sweepPoll), s.log, "Object sweep failed, retrying", func(ctx context.Context) (bool, error) {
		did, err := s.Page(ctx)
		if did {
			postgres.Pause(ctx, sweepPause)
		}
		return did, err
	})
}

// Page sweeps the next page of objects if it is due and no other replica is sweeping it. It
// reports whether it did.
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
		next, wait = after, time.Minute // any replica may sweep the page again then
	}
	return true, errors.Join(err, s.releaseSweep(context.WithoutCancel(ctx), after, next, wait))
}

// claimSweep claims the next page, or returns [product.ErrNotFound] if none is due.
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

// releaseSweep records that the page that begins after the key next is due after wait.
func (s *Sweeper) releaseSweep(ctx context.Context, after, next string, wait time.Duration) error {
	const q = `
		UPDATE object_sweep SET position = $2, due_at = clock_timestamp() + $3 * interval '1 microsecond'
		WHERE position = $1`
	return s.store.InTx(ctx, "release sweep", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, after, next, wait.Microseconds())
		return err
	})
}

// sweptPart is a prefix of keys and how a page of its objects is swept.
type sweptPart struct {
	prefix string
	sweep  func(context.Context, []Object, time.Time) error
}

// sweep sweeps the page after a key. It returns the key after which the next page begins and
// when that is due. The prefixes are swept one after the other.
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

// sweepPage sweeps a page of the objects under a prefix and returns its last key, or "" on the
// last page.
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

// sweepDigests deletes variants that are older than before and of digests that no image uses.
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

// deleteEach deletes the unneeded objects of one kind on a page. remove deletes one and returns
// its key.
func deleteEach[T any](
	ctx context.Context, log *logrus.Logger, kind string, unneeded []T, remove func(T) (key string, err error),
) error {
	deleted := 0
	for _, one := range unneeded {
		key, err := remove(one)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case err != nil: // the next sweep tries again
			log.WithError(err).WithFields(logrus.Fields{"kind": kind, "key": key}).Warn("Unused object could not be deleted")
		default:
			deleted++
		}
	}
	if deleted > 0 {
		log.WithFields(logrus.Fields{"kind": kind, "deleted": deleted}).Info("Unused objects deleted")
	}
	return nil
}

// digest identifies the objects made from one source of one product.
type digest struct {
	ObjectKey uuid.UUID `db:"object_key"`
	SHA256    string    `db:"sha256"`
}

// digests returns the digests of the page whose objects are all older than before. It
// ignores keys that no worker stores under.
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

// unused returns the digests that no image uses now. The deletion checks again under its lock.
func (s *Sweeper) unused(ctx context.Context, all []digest) ([]digest, error) {
	return s.without(ctx, "unused objects", all, catalogue.UsesObjectsSQL)
}

// without returns the digests o for which no image meets the condition.
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
