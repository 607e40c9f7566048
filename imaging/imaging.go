package imaging

import (
	"errors"
	"fmt"
	"time"
)

// Status is the state of an image. It goes from pending to processing, and from there to ready
// or failed. An attempt that will be repeated goes back to pending.
type Status string

// The states of an image.
const (
	Pending    Status = "pending"
	Processing Status = "processing"
	Ready      Status = "ready"
	Failed     Status = "failed"
)

// Stage is a step of an attempt, as the attempt history records it.
type Stage string

// The steps of an attempt, in order.
const (
	StageClaim     Stage = "claim"
	StageFetch     Stage = "fetch"
	StageDecode    Stage = "decode"
	StageTransform Stage = "transform"
	StageStore     Stage = "store"
)

// Code is the reason why an image is not ready. The list is fixed: clients and the groups of
// dead letters depend on it.
type Code string

// The codes.
const (
	CodeInvalidURL        Code = "invalid_url"        // not an absolute http or https URL
	CodeForbiddenAddress  Code = "forbidden_address"  // the host has no public address
	CodeForbiddenPort     Code = "forbidden_port"     // neither 80 nor 443
	CodeForbiddenRedirect Code = "forbidden_redirect" // too many redirects, or from https to http
	CodeHostNotFound      Code = "host_not_found"     // the name does not resolve
	CodeConnectFailed     Code = "connect_failed"     // refused or reset connection, or TLS failure
	CodeFetchTimeout      Code = "fetch_timeout"      // the whole download took too long
	CodeSourceNotFound    Code = "source_not_found"   // 404 or 410
	CodeSourceDenied      Code = "source_denied"      // 401, 403 and the like
	CodeSourceRejected    Code = "source_rejected"    // another response without a picture
	CodeSourceUnavailable Code = "source_unavailable" // 429 or 5xx
	CodeUploadNotFound    Code = "upload_not_found"   // nothing was uploaded under the key
	CodeBodyTooLarge      Code = "body_too_large"     // more bytes than FETCH_MAX_BYTES
	CodeUnsupportedFormat Code = "unsupported_format" // not JPEG, PNG, GIF or WebP
	CodeCorruptImage      Code = "corrupt_image"      // damaged or incomplete
	CodeImageTooLarge     Code = "image_too_large"    // too many pixels, or more memory than the budget
	CodeDecodeTimeout     Code = "decode_timeout"     // decoding takes too much CPU time
	CodeSourceChanged     Code = "source_changed"     // another picture since it was processed; reprocessing accepts it
	CodeStoreUnavailable  Code = "store_unavailable"  // the object store does not respond; retried without limit
	CodeWorkerCrashed     Code = "worker_crashed"     // every attempt ended without a result
	CodeInternal          Code = "internal"           // a defect of this service
)

// Error is the failure of an attempt: what went wrong, in words for the picture's owner, and
// what should happen next. Detail never contains a credential or a URL's query.
type Error struct {
	Code   Code
	Stage  Stage
	Detail string
	// Transient means that a further attempt may succeed. The attempt counts.
	Transient bool
	// Ours means that the source is not to blame: a dependency of this service failed, or
	// the source's host is busy or failing. The attempt is repeated and does not count. Ours
	// implies Transient.
	Ours bool
	// RetryAfter is the least time until the next attempt; zero if there is none.
	RetryAfter time.Duration
	// Err is the cause, for the log. Clients do not see it.
	Err error
}

// Error returns the code, the detail and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Variant is a stored file of an image. Width and Height are pixels.
type Variant struct {
	Name   string `json:"name"` // main, large, small (see Sizes) or square
	Key    string `json:"key"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Bytes  int64  `json:"bytes"`
	Format string `json:"format"` // jpeg, png or webp
}

// Result describes the picture of a successful attempt. Width and Height are the source's
// pixels after its orientation has been applied.
type Result struct {
	SourceSHA256    string // lower-case hexadecimal
	SourceBytes     int64
	SourceFormat    string // jpeg, png, gif or webp
	Width           int
	Height          int
	Variants        []Variant  // the main variant first
	Placeholder     string     // ThumbHash, in base64
	AverageColor    string     // #rrggbb in sRGB; empty if every pixel is transparent
	Animated        bool       // the source has several frames; the variants show the first
	Note            string     // for the picture's owner: what could not be done; usually empty
	PipelineVersion string     // that made the variants: see PipelineVersion
	WebPDue         bool       // WebP variants are to follow
	Validators      Validators // of the source, for conditional requests; none for an upload
}

var (
	// ErrNothingToDo means that the job's image has been deleted, replaced or finished, or
	// that another worker holds its lease. The message can be dropped.
	ErrNothingToDo = errors.New("nothing to do for this job")
	// ErrLeaseLost means that the claim is no longer valid: its lease expired and another
	// worker took over, or the image was replaced or deleted.
	ErrLeaseLost = errors.New("lease lost")
)
