package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"vitrine/product"
	"vitrine/product/postgres"
)

// Store is the outbox table. All methods are safe for concurrent use.
type Store struct {
	store *postgres.DB
	freed chan struct{} // tells the job relay that a job has left the queue, or its worker
}

// New returns the outbox of a database.
func New(store *postgres.DB) *Store { return &Store{store: store, freed: make(chan struct{}, 1)} }

// Kind says what an outbox row asks for.
type Kind string

// The kinds of outbox rows.
const (
	KindImageJob      Kind = "image_job"      // send a job to the queue
	KindDeleteObjects Kind = "delete_objects" // delete what is stored under one digest, or an upload
	KindInvalidate    Kind = "invalidate"     // drop a product or an API key from the cache
)

// Priority is the urgency of an image job. A job never waits for one with a greater
// number.
type Priority int

// The priorities.
const (
	PriorityFirst   Priority = 0 // the image is not ready yet
	PriorityAsked   Priority = 1 // reprocessing that a client asked for
	PriorityRoutine Priority = 2 // reprocessing that nobody waits for
)

// Channel is the PostgreSQL channel of notifications about due outbox rows. The payload is the
// kind.
const Channel = "vitrine_outbox"

// Row is an outbox row to insert.
type Row struct {
	Kind     Kind
	Subject  uuid.UUID
	Payload  any
	priority Priority      // of an image job
	Delay    time.Duration // until it is due
}

type jobPayload struct {
	ImageID    uuid.UUID `json:"image_id"`
	Generation int64     `json:"generation"`
}

// DeletionPayload is the payload of [KindDeleteObjects]: either a digest or a single key.
type DeletionPayload struct {
	ObjectKey uuid.UUID `json:"object_key"`
	SHA256    string    `json:"sha256"`
	Begun     bool      `json:"begun,omitempty"` // a deletion has started and may not have ended
	// Key is the key of a single object that nothing needs any more, such as an expired
	// upload. The other fields are then unused.
	Key string `json:"upload,omitempty"`
}

type invalidationPayload struct {
	Key string `json:"key"` // cache key
}

// Job returns the row that sends a job for an image to the queue.
func Job(image uuid.UUID, generation int64, priority Priority) Row {
	return Row{Kind: KindImageJob, Subject: image, Payload: jobPayload{image, generation}, priority: priority}
}

// Deletion returns the row that deletes the objects of a digest.
func Deletion(objectKey uuid.UUID, sha256 string) Row {
	return Row{Kind: KindDeleteObjects, Subject: objectKey, Payload: DeletionPayload{ObjectKey: objectKey, SHA256: sha256}}
}

// Invalidation returns the row that drops a key from the cache. [Store.Conclude] can wait for
// the invalidations of a subject.
func Invalidation(subject uuid.UUID, key string) Row {
	return Row{Kind: KindInvalidate, Subject: subject, Payload: invalidationPayload{Key: key}}
}

// Insert writes rows and wakes the relays of those that are due. Image jobs that are due join
// the queue of their owner at once if their images exist.
func Insert(ctx context.Context, tx *sqlx.Tx, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	kinds, subjects, payloads := make([]string, len(rows)), make([]string, len(rows)), make([]string, len(rows))
	delays, priorities := make([]int64, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		payload, err := json.Marshal(r.Payload)
		if err != nil {
			return fmt.Errorf("outbox payload: %w", err)
		}
		kinds[i], subjects[i], payloads[i] = string(r.Kind), r.Subject.String(), string(payload)
		delays[i], priorities[i] = r.Delay.Microseconds(), int64(r.priority)
	}
	const q = `
		WITH written AS (
			INSERT INTO outbox (kind, subject, payload, request_id, available_at, priority, owner, in_queue)
			SELECT n.kind, n.subject, n.payload, $1, clock_timestamp() + n.delay * interval '1 microsecond', n.priority,
				products.user_id, products.user_id IS NOT NULL
			FROM unnest(cast($2 AS text[]), cast($3 AS uuid[]), cast($4 AS jsonb[]), cast($5 AS bigint[]), cast($6 AS smallint[]))
				AS n (kind, subject, payload, delay, priority)
			LEFT JOIN images ON images.id = n.subject AND n.kind = 'image_job' AND n.delay = 0
			LEFT JOIN products ON products.id = images.product_id
			RETURNING kind, available_at
		)
		SELECT pg_notify('` + Channel + `', due.kind)
		FROM (SELECT DISTINCT kind FROM written WHERE available_at <= clock_timestamp()) AS due`
	_, err := tx.ExecContext(ctx, q, product.RequestID(ctx), pq.Array(kinds), pq.Array(subjects), pq.Array(payloads),
		pq.Array(delays), pq.Array(priorities))
	if err != nil {
		return fmt.Errorf("insert outbox: %w", err)
	}
	return nil
}

// Claimed is an outbox row that a relay has claimed.
type Claimed struct {
	ID        int64           `db:"id"`
	Subject   uuid.UUID       `db:"subject"`
	Payload   json.RawMessage `db:"payload"`
	RequestID string          `db:"request_id"`
	Attempts  int             `db:"attempts"` // failed attempts before this one
	Priority  Priority        `db:"priority"` // of an image job
}

// claim takes up to limit due rows of one kind, oldest first, for d. A condition on
// now() can use the index, one on clock_timestamp() cannot.
func (s *Store) claim(ctx context.Context, kind Kind, claim uuid.UUID, limit int, d time.Duration) ([]Claimed, error) {
	const q = `
		WITH due AS (
			SELECT id FROM outbox
			WHERE kind = $1 AND available_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
			ORDER BY available_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)
		UPDATE outbox SET claim = $3, claimed_until = clock_timestamp() + $4 * interval '1 microsecond'
		FROM due WHERE outbox.id = due.id
		RETURNING outbox.id, outbox.subject, outbox.payload, outbox.request_id, outbox.attempts, outbox.priority`
	var rows []Claimed
	err := s.store.InTx(ctx, "claim outbox", func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, q, kind, limit, claim, d.Microseconds())
	})
	return rows, err
}

// finish deletes rows that are done, if the claim still holds.
func (s *Store) finish(ctx context.Context, claim uuid.UUID, ids []int64) error {
	const q = `DELETE FROM outbox WHERE claim = $1 AND id = ANY ($2)`
	return s.store.InTx(ctx, "finish outbox", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, claim, pq.Array(ids))
		return err
	})
}

// failure is a claimed row that failed or was not started.
type failure struct {
	ID    int64
	count int // what it adds to the row's attempts
	delay time.Duration
}

// release makes failed rows due again after their delays, if the claim still holds.
func (s *Store) release(ctx context.Context, claim uuid.UUID, failures []failure) error {
	ids, delays, counts := make([]int64, len(failures)), make([]int64, len(failures)), make([]int64, len(failures))
	for i, f := range failures {
		ids[i], delays[i], counts[i] = f.ID, f.delay.Microseconds(), int64(f.count)
	}
	const q = `
		UPDATE outbox SET claim = NULL, claimed_until = NULL, attempts = attempts + f.count,
			available_at = clock_timestamp() + f.delay * interval '1 microsecond', in_queue = in_queue AND f.delay = 0
		FROM unnest(cast($2 AS bigint[]), cast($3 AS bigint[]), cast($4 AS integer[])) AS f (id, delay, count)
		WHERE outbox.id = f.id AND outbox.claim = $1`
	return s.store.InTx(ctx, "release outbox", func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, q, claim, pq.Array(ids), pq.Array(delays), pq.Array(counts))
		return err
	})
}

// PendingInvalidations reports whether the cache may hold an old value because it was
// unavailable when a product or an API key was written.
func (s *Store) PendingInvalidations(ctx context.Context) (bool, error) {
	const q = `SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = 'invalidate')`
	// The cache calls this before it is first used, so its keys are known from then on,
	// even while PostgreSQL is unavailable.
	if _, err := s.store.InstallationID(ctx); err != nil {
		return false, err
	}
	var pending bool
	err := s.store.Get(ctx, "pending invalidations", &pending, q)
	return pending, err
}

// Stat is the backlog of one kind.
type Stat struct {
	Kind      string        // a Kind; image jobs of ready images are counted as image_reprocess
	Rows      int64         // all, due or not
	OldestDue time.Duration // how long the oldest due row has been due
}

// statKinds are the kinds that Stats counts.
var statKinds = []string{string(KindImageJob), "image_reprocess", string(KindDeleteObjects), string(KindInvalidate)}

// Stats returns the backlog of every kind, for metrics.
func (s *Store) Stats(ctx context.Context) ([]Stat, error) {
	const q = `
		SELECT CASE WHEN priority > 0 THEN 'image_reprocess' ELSE kind END AS kind, count(*) AS rows,
			cast(greatest(0, coalesce(extract(epoch FROM now() - min(available_at)), 0)) * 1000000 AS bigint) AS oldest
		FROM outbox GROUP BY 1 ORDER BY 1 LIMIT 10`
	var rows []struct {
		Kind   string `db:"kind"`
		Rows   int64  `db:"rows"`
		Oldest int64  `db:"oldest"`
	}
	err := s.store.Select(ctx, "outbox stats", &rows, q)
	stats := make([]Stat, 0, len(statKinds))
	for _, kind := range statKinds {
		stat := Stat{Kind: kind}
		for _, r := range rows {
			if r.Kind == kind {
				stat.Rows, stat.OldestDue = r.Rows, time.Duration(r.Oldest)*time.Microsecond
			}
		}
		stats = append(stats, stat)
	}
	return stats, err
}
