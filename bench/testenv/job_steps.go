package testenv

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
)

// Lease is the duration of the leases that the environment claims.
const Lease = 20 * time.Second

// JobOf returns the job of an image in its first generation.
func JobOf(image Image) imaging.Job {
	return imaging.Job{ImageID: image.ID, Generation: 1, RequestID: "r-job"}
}

// Encode returns the message of a job.
func Encode(t testing.TB, j imaging.Job) []byte {
	t.Helper()
	body, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Claim claims an image in its first generation.
func (e *Environment) Claim(image Image, holder string) imaging.Claim {
	e.T.Helper()
	claim, err := e.Jobs.Claim(e.T.Context(), JobOf(image), holder, Lease)
	if err != nil {
		e.T.Fatal(err)
	}
	return claim
}

// ClaimSecondGeneration claims an image in its second generation.
func (e *Environment) ClaimSecondGeneration(image uuid.UUID) imaging.Claim {
	e.T.Helper()
	j := imaging.Job{ImageID: image, Generation: 2, RequestID: "r-again"}
	claim, err := e.Jobs.Claim(e.T.Context(), j, "w-again", Lease)
	if err != nil {
		e.T.Fatal(err)
	}
	return claim
}

// ExpireLease makes the lease of an image end a minute ago.
func (e *Environment) ExpireLease(image Image) {
	e.T.Helper()
	e.Exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE id = $1`, image.ID)
}

// Digest returns the n-th of many SHA-256 digests.
func Digest(n int) string { return fmt.Sprintf("%064x", n) }

// ReadyOutcome returns the outcome of a successful attempt.
func ReadyOutcome(claim imaging.Claim, sha256 string) imaging.Outcome {
	prefix := "products/" + claim.ObjectKey.String() + "/" + sha256 + "/"
	return imaging.Outcome{
		Stage: imaging.StageStore, Started: time.Now(), Duration: 1500 * time.Millisecond,
		Result: &imaging.Result{
			SourceSHA256: sha256, SourceBytes: 5000, SourceFormat: "png", Width: 2000, Height: 1000,
			Placeholder: "1QcSHQRnh493V4dIh4eXh1h4kJUI", AverageColor: "#12ab9f", Animated: true,
			Note: "the colours may look different",
			Variants: []imaging.Variant{
				{Name: "main", Key: prefix + "main.jpg", Width: 1600, Height: 800, Bytes: 900, Format: "jpeg"},
				{Name: "small", Key: prefix + "small.jpg", Width: 200, Height: 100, Bytes: 90, Format: "jpeg"},
			},
		},
	}
}

// FailedOutcome returns the outcome of an attempt that failed for good.
func FailedOutcome(code imaging.Code) imaging.Outcome {
	return imaging.Outcome{
		Stage: imaging.StageFetch, Started: time.Now(), Duration: time.Second,
		Err: &imaging.Error{Code: code, Stage: imaging.StageFetch, Detail: "the source answered 404"},
	}
}

// Settle settles an attempt.
func (e *Environment) Settle(claim imaging.Claim, o imaging.Outcome) {
	e.T.Helper()
	if err := e.Jobs.Settle(e.T.Context(), claim, o); err != nil {
		e.T.Fatal(err)
	}
}

// FailImages makes the first processing of images fail and files their dead letters.
func (e *Environment) FailImages(code imaging.Code, images ...Image) {
	e.T.Helper()
	for _, image := range images {
		e.Settle(e.Claim(image, "w"), FailedOutcome(code))
		e.FileDeadLetter(Encode(e.T, JobOf(image)), "rejected")
	}
}

// FileDeadLetter files a message of the dead-letter queue.
func (e *Environment) FileDeadLetter(body []byte, reason string) {
	e.T.Helper()
	if err := e.DeadLetters.File(e.T.Context(), body, reason); err != nil {
		e.T.Fatal(err)
	}
}

// AddBacklog stores n products of a user with one image each, and the jobs of the images.
func (e *Environment) AddBacklog(user int64, n int) {
	e.T.Helper()
	e.Exec(`
		WITH product AS (
			INSERT INTO products (user_id, product_name, product_price)
			SELECT $1, 'Lamp', 1 FROM generate_series(1, cast($2 AS integer))
			RETURNING id
		), image AS (
			INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $3 FROM product
			RETURNING id
		)
		INSERT INTO outbox (kind, subject, payload)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', 1) FROM image`, user, n, Source)
}

// Tables and conditions for [Environment.Count].
const (
	// DueReprocessing selects the images that are being reprocessed or are due for it.
	DueReprocessing = "images WHERE reprocess <> '{}' OR reprocessing IS NOT NULL"
	// DueFocal selects those of them whose focal point is new.
	DueFocal = "images WHERE 'focal' = ANY (array_append(reprocess, reprocessing))"
)
