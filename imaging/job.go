package imaging

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// messageVersion is the version of the job message that this build writes and reads.
const messageVersion = 1

// Job is the content of a queue message: which image to work on, never its
// state, so that a message that comes late or twice does no harm.
type Job struct {
	ImageID    uuid.UUID
	Generation int64  // of the image when the message was written
	RequestID  string // of the request that caused the job; may be empty
}

type message struct {
	Version    int       `json:"v"`
	ImageID    uuid.UUID `json:"image_id"`
	Generation int64     `json:"generation"`
	RequestID  string    `json:"request_id,omitempty"`
}

// Encode gives the job's message: versioned JSON.
func (j Job) Encode() ([]byte, error) {
	return json.Marshal(message{messageVersion, j.ImageID, j.Generation, j.RequestID})
}

// DecodeJob reads a message that [Job.Encode] wrote. Anything else is an error:
// the message then belongs into the dead-letter queue.
func DecodeJob(body []byte) (Job, error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return Job{}, fmt.Errorf("job message: %w", err)
	}
	if m.Version != messageVersion {
		return Job{}, fmt.Errorf("job message: version %d is not known", m.Version)
	}
	if m.ImageID == uuid.Nil || m.Generation < 1 {
		return Job{}, fmt.Errorf("job message: image_id or generation is missing")
	}
	return Job{ImageID: m.ImageID, Generation: m.Generation, RequestID: m.RequestID}, nil
}

// Claim is one worker's exclusive hold on an image until its lease ends.
type Claim struct {
	Job
	ProductID int64
	ObjectKey uuid.UUID // of the product: its objects lie under it
	Source    string    // URL, or UploadScheme and a key
	Focal     *Focal    // what the square crop is to show
	Attempt   int       // this try's number, from 1; counted before the work begins
	Deferrals int       // tries before this one, in a row, that did not count
	Owner     string    // the lease's owner, unique to this claim
}

// Outcome is how a try ended. Exactly one of Result and Err is set.
type Outcome struct {
	Result *Result
	Err    *Error
	// Retry says that a failed try is to be repeated in RetryIn; otherwise a
	// failed try ends the image as failed.
	Retry   bool
	RetryIn time.Duration
	// Stage is the last one that was begun.
	Stage    Stage
	Started  time.Time
	Duration time.Duration
}

// JobStore is the job's life as a worker sees it. All methods are safe for
// concurrent use. An error other than the named ones means that the store is out
// of reach: the job is left to its lease.
type JobStore interface {
	// Claim takes the job's image for owner until lease has passed and counts
	// the try. If owner has it already, it gives the same claim and counts
	// nothing. ErrNothingToDo and ErrAlreadyFailed say why it could not.
	Claim(ctx context.Context, job Job, owner string, lease time.Duration) (Claim, error)
	// Renew prolongs the lease to lease from now, or gives ErrLeaseLost.
	Renew(ctx context.Context, c Claim, lease time.Duration) error
	// Reserve records the source's digest before anything is stored under it,
	// so that no deletion under way removes what the claim is about to store.
	// It gives what another ready image of the product is that was made of a source
	// with that digest, round the same focal point, whose objects it keeps from
	// being deleted too; nil where there is none. It gives ErrLeaseLost like Renew.
	Reserve(ctx context.Context, c Claim, sha256 string) (*Result, error)
	// Settle writes the outcome, or gives ErrLeaseLost and changes nothing.
	Settle(ctx context.Context, c Claim, o Outcome) error
}

// ObjectStore keeps objects under keys. Put is idempotent.
type ObjectStore interface {
	Put(ctx context.Context, key, contentType string, body []byte) error
	UploadStore
}

// Verdict says what becomes of a job's message.
type Verdict int

// The verdicts.
const (
	Ack        Verdict = iota // done with: remove it
	DeadLetter                // ended as failed: file it
	Leave                     // not done: the broker delivers it again
)
