package deadletter

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/postgres"
)

const (
	// maxPayload is how much of a message is kept, in bytes.
	maxPayload = 64 << 10
	// reasonRejected is the broker's reason for a message that a worker rejected, as a
	// worker does when the image has failed.
	reasonRejected = "rejected"
	// unreadable is the code of a message that is not a valid job.
	unreadable = "unreadable"
)

// FileFailedImage files the dead letter of an image that the transaction has marked as failed.
func FileFailedImage(ctx context.Context, tx *sqlx.Tx, job imaging.Job) error {
	image, err := failedImage(ctx, tx, job)
	if err != nil {
		return fmt.Errorf("file failed image: %w", err)
	}
	body, err := job.Encode()
	if err != nil {
		return fmt.Errorf("file failed image: %w", err)
	}
	return insertDeadLetter(ctx, tx, &image, body, reasonRejected, job.RequestID)
}

// deadImage has the columns of images that a dead letter copies.
type deadImage struct {
	ID         uuid.UUID      `db:"id"`
	ProductID  int64          `db:"product_id"`
	Source     string         `db:"source"`
	Generation int64          `db:"generation"`
	Code       sql.NullString `db:"error_code"`
	Detail     sql.NullString `db:"error_detail"`
	Stage      sql.NullString `db:"error_stage"`
	RequestID  string         `db:"request_id"`
}

// failedImage returns the image of a job if the job's generation has failed, and locks it.
func failedImage(ctx context.Context, tx *sqlx.Tx, job imaging.Job) (deadImage, error) {
	const q = `
		SELECT id, product_id, source, generation, error_code, error_detail, error_stage, request_id
		FROM images WHERE id = $1 AND generation = $2 AND status = 'failed'
		FOR UPDATE`
	var image deadImage
	err := tx.GetContext(ctx, &image, q, job.ImageID, job.Generation)
	return image, err
}

// deadLetterRow has the columns of dead_letters that are inserted.
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

// insertDeadLetter files a message; image is nil if the message could not be read. It does
// nothing if the dead letter is filed already.
func insertDeadLetter(ctx context.Context, tx *sqlx.Tx, image *deadImage, body []byte, reason, requestID string) error {
	id, err := postgres.NewID()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	r := deadLetterRow{
		ID: id, Payload: append([]byte{}, body[:min(len(body), maxPayload)]...), PayloadBytes: len(body),
		PayloadSHA256: hex.EncodeToString(sum[:]), Reason: product.SanitizeText(reason), Code: unreadable, RequestID: product.SanitizeText(requestID),
	}
	if image != nil {
		r.ImageID = uuid.NullUUID{UUID: image.ID, Valid: true}
		r.ProductID = sql.NullInt64{Int64: image.ProductID, Valid: true}
		r.Generation = sql.NullInt64{Int64: image.Generation, Valid: true}
		r.Code, r.Stage, r.Detail = image.Code.String, image.Stage.String, image.Detail.String
		r.Host = imaging.SourceHost(image.Source)
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
