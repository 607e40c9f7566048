package imaging

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// messageVersion is the version of the job message that this build writes and reads.
const messageVersion = 1

// Job is the content of a queue message. It names an image and never has its state, so that
// a message that arrives late or twice does no harm.
type Job struct {
	ImageID    uuid.UUID
	Generation int64  // of the image when the message was written
	Reprocess  bool   // the image is ready and due for reprocessing
	RequestID  string // of the request that caused the job; may be empty
}

type message struct {
	Version    int       `json:"v"`
	ImageID    uuid.UUID `json:"image_id"`
	Generation int64     `json:"generation"`
	Reprocess  bool      `json:"reprocess,omitempty"`
	RequestID  string    `json:"request_id,omitempty"`
}

// Encode returns the message of the job, which is versioned JSON.
func (j Job) Encode() ([]byte, error) {
	return json.Marshal(message{messageVersion, j.ImageID, j.Generation, j.Reprocess, j.RequestID})
}

// DecodeJob parses a message that [Job.Encode] made. It returns an error for any other
// message, which belongs in the dead-letter queue.
func DecodeJob(body []byte) (Job, error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return Job{}, fmt.Errorf("job message: %w", err)
	}
	if m.Version != messageVersion {
		return Job{}, fmt.Errorf("job message: version %d is not supported", m.Version)
	}
	if m.ImageID == uuid.Nil || m.Generation < 1 {
		return Job{}, fmt.Errorf("job message: image_id or generation is missing")
	}
	return Job{ImageID: m.ImageID, Generation: m.Generation, Reprocess: m.Reprocess, RequestID: m.RequestID}, nil
}

// Reason is why a ready image is reprocessed.
type Reason string

// The reasons, most urgent first.
const (
	ReasonFocal     Reason = "focal"     // the square crop has another focal point
	ReasonReprocess Reason = "reprocess" // a client asked for it; the source may have changed
	ReasonPipeline  Reason = "pipeline"  // an operator asked for variants of the current pipeline version
	ReasonWebP      Reason = "webp"      // the image became ready without its WebP variants
)

// Claim is one worker's exclusive hold on an image until its lease ends.
type Claim struct {
	Job
	ProductID int64
	ObjectKey uuid.UUID // of the product, whose objects lie under it
	Source    string    // URL, or UploadScheme and a key
	Focal     *Focal    // centre of the square crop
	Attempt   int       // number of this attempt, from 1; counted before the work begins
	Deferrals int       // attempts before this one, in a row, that did not count
	Holder    string    // of the lease; unique to this claim
	Reason    Reason    // of reprocessing; empty for the first processing
	Was       Result    // the ready image that is reprocessed
}

// Outcome is how an attempt ended. Exactly one of Result and Err is set.
type Outcome struct {
	Result *Result
	// Unchanged means that a reprocessed image was up to date. Only the validators in
	// Result may differ from it.
	Unchanged bool
	Err       *Error
	// Retry means that another attempt follows in RetryIn. Without it, a failed attempt
	// ends the first processing as failed, and leaves a ready image as it is.
	Retry   bool
	RetryIn time.Duration
	// Stage is the last stage that began.
	Stage    Stage
	Started  time.Time
	Duration time.Duration
}

// SourceHost returns the host of a source, without its port, or "" if it has none. It is what
// logs and dead letters show: paths and queries can hold secrets.
func SourceHost(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
