package product

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

const (
	// maxPayload is how much of a message is kept, in bytes.
	maxPayload = 64 << 10
	// reasonReconciled is that of a failure which never came through the broker.
	reasonReconciled = "reconciled"
	// unreadable stands for the code of a message that is no job.
	unreadable = "unreadable"
	// putBackDelay keeps an image whose message the broker gave up from going
	// round in a hurry.
	putBackDelay = 30 * time.Second
)

// DeadLetters files what ended in the dead-letter queue. All methods are safe
// for concurrent use.
type DeadLetters struct {
	store *Store
	log   *logrus.Logger
}

// NewDeadLetters makes the file of a store.
func NewDeadLetters(store *Store, log *logrus.Logger) *DeadLetters {
	return &DeadLetters{store: store, log: log}
}

// deadImage is what is known of the image that a dead letter is about.
type deadImage struct {
	ID           uuid.UUID      `db:"id"`
	ProductID    int64          `db:"product_id"`
	Source       string         `db:"source"`
	Generation   int64          `db:"generation"`
	Status       imaging.Status `db:"status"`
	DeadLettered bool           `db:"dead_lettered"`
	Code         sql.NullString `db:"error_code"`
	Detail       sql.NullString `db:"error_detail"`
	Stage        sql.NullString `db:"error_stage"`
	RequestID    string         `db:"request_id"`
}

// File puts a message from the dead-letter queue on record, once per image and
// generation, or per content where it cannot be read. A nil error means that the
// message can be removed.
//
// The broker also gives up messages of images that have not failed, when the
// connections of their consumers were lost too often. Nothing is filed then: a
// pending image without another job on its way gets a new one, and one that is
// being worked on has a worker, or a lease whose end the [Reconciler] sees. The
// same is true of a message about an image that is gone, done or of a later
// generation: there is nobody for whom something would have to be done.
func (d *DeadLetters) File(ctx context.Context, body []byte, reason string) error {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		d.log.WithFields(logrus.Fields{"reason": reason, "bytes": len(body)}).Warn("dead letter cannot be read")
		return d.store.inTx(ctx, "file dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
			return insertDeadLetter(ctx, tx, nil, body, reason, "")
		})
	}
	ctx = WithRequestID(ctx, job.RequestID)
	return d.store.inTx(ctx, "file dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		image, err := lockDeadImage(ctx, tx, job)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		case image.Status == imaging.Failed:
			return fileFailure(ctx, tx, image, body, reason, job.RequestID)
		case image.Status == imaging.Pending:
			return putBack(ctx, tx, job)
		}
		return nil
	})
}

// lockDeadImage gives the image of a job, if it is still of its generation.
func lockDeadImage(ctx context.Context, tx *sqlx.Tx, job imaging.Job) (deadImage, error) {
	const q = `
		SELECT id, product_id, source, generation, status, dead_lettered, error_code, error_detail, error_stage, request_id
		FROM images WHERE id = $1 AND generation = $2
		FOR UPDATE`
	var image deadImage
	err := tx.GetContext(ctx, &image, q, job.ImageID, job.Generation)
	return image, err
}

// fileFailure records a failed image and marks it as recorded.
func fileFailure(ctx context.Context, tx *sqlx.Tx, image deadImage, body []byte, reason, requestID string) error {
	if err := insertDeadLetter(ctx, tx, &image, body, reason, requestID); err != nil {
		return err
	}
	const q = `UPDATE images SET dead_lettered = true WHERE id = $1`
	_, err := tx.ExecContext(ctx, q, image.ID)
	return err
}

// putBack gives a pending image a new job unless one is on its way.
func putBack(ctx context.Context, tx *sqlx.Tx, job imaging.Job) error {
	const q = `SELECT EXISTS (SELECT 1 FROM outbox WHERE subject = $1 AND kind = 'image_job')`
	var queued bool
	if err := tx.GetContext(ctx, &queued, q, job.ImageID); err != nil || queued {
		return err
	}
	const mark = `UPDATE images SET queued_at = clock_timestamp() + $2 * interval '1 microsecond' WHERE id = $1`
	if _, err := tx.ExecContext(ctx, mark, job.ImageID, putBackDelay.Microseconds()); err != nil {
		return err
	}
	row := jobRow(job.ImageID, job.Generation)
	row.delay = putBackDelay
	return insertOutbox(ctx, tx, []outboxRow{row})
}

// deadLetterRow is a row of dead_letters.
type deadLetterRow struct {
	ID            uuid.UUID     `db:"id"`
	ImageID       uuid.NullUUID `db:"image_id"`
	ProductID     sql.NullInt64 `db:"product_id"`
	Generation    sql.NullInt64 `db:"generation"`
	Payload       []byte        `db:"payload"`
	PayloadBytes  int           `db:"payload_bytes"`
	PayloadSHA256 string        `db:"payload_sha256"`
	Reason        string        `db:"reason"`
	Code          string        `db:"code"`
	Stage         string        `db:"stage"`
	Host          string        `db:"host"`
	Detail        string        `db:"detail"`
	Fingerprint   string        `db:"fingerprint"`
	RequestID     string        `db:"request_id"`
}

// insertDeadLetter records a message; image is nil where it could not be read.
// What is recorded already stays as it is.
func insertDeadLetter(ctx context.Context, tx *sqlx.Tx, image *deadImage, body []byte, reason, requestID string) error {
	id, err := newID()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	r := deadLetterRow{
		ID: id, Payload: append([]byte{}, body[:min(len(body), maxPayload)]...), PayloadBytes: len(body),
		PayloadSHA256: hex.EncodeToString(sum[:]), Reason: storable(reason), Code: unreadable, RequestID: storable(requestID),
	}
	if image != nil {
		r.ImageID = uuid.NullUUID{UUID: image.ID, Valid: true}
		r.ProductID = sql.NullInt64{Int64: image.ProductID, Valid: true}
		r.Generation = sql.NullInt64{Int64: image.Generation, Valid: true}
		r.Code, r.Stage, r.Detail = image.Code.String, image.Stage.String, image.Detail.String
		r.Host = host(image.Source)
		if requestID == "" {
			r.RequestID = image.RequestID
		}
	}
	r.Fingerprint = fmt.Sprintf("%s|%s|%s", r.Code, r.Stage, r.Host)
	const q = `
		INSERT INTO dead_letters (id, image_id, product_id, generation, payload, payload_bytes, payload_sha256, reason,
			code, stage, host, detail, fingerprint, request_id)
		VALUES (:id, :image_id, :product_id, :generation, :payload, :payload_bytes, :payload_sha256, :reason,
			:code, :stage, :host, :detail, :fingerprint, :request_id)
		ON CONFLICT DO NOTHING`
	if _, err := tx.NamedExecContext(ctx, q, r); err != nil {
		return fmt.Errorf("insert dead letter: %w", err)
	}
	return nil
}

// host is where a source is fetched from, without its port.
func host(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
