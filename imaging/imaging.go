// Package imaging turns the picture behind an image's source into small, clean
// variants: it fetches, checks, decodes, resizes, encodes and stores them, and
// decides what happens next when one of those steps goes wrong.
//
// The package knows no database, broker or cache. It sees the job's life through
// [JobStore] and the object store through [ObjectStore].
package imaging

import (
	"errors"
	"fmt"
	"time"
)

// Status is the state of one image. It moves pending -> processing -> ready or
// failed; a try that is to be repeated goes back to pending.
type Status string

// The states of an image.
const (
	Pending    Status = "pending"
	Processing Status = "processing"
	Ready      Status = "ready"
	Failed     Status = "failed"
)

// Stage is the step of a try, as the attempt history records it.
type Stage string

// The steps of a try, in order.
const (
	StageClaim     Stage = "claim"
	StageFetch     Stage = "fetch"
	StageDecode    Stage = "decode"
	StageTransform Stage = "transform"
	StageStore     Stage = "store"
)

// Code names the reason why an image is not ready. The list is fixed: clients
// and dead-letter groups depend on it.
type Code string

// The reasons. A comment says what the owner of the picture can do about it.
const (
	CodeInvalidURL        Code = "invalid_url"        // give an absolute http or https URL
	CodeForbiddenAddress  Code = "forbidden_address"  // the host has no public address
	CodeForbiddenPort     Code = "forbidden_port"     // only 80 and 443 are fetched from
	CodeForbiddenRedirect Code = "forbidden_redirect" // too many hops, or https to http
	CodeHostNotFound      Code = "host_not_found"     // the name does not resolve
	CodeConnectFailed     Code = "connect_failed"     // refused, reset, TLS failure
	CodeFetchTimeout      Code = "fetch_timeout"      // the whole download took too long
	CodeSourceNotFound    Code = "source_not_found"   // 404 or 410
	CodeSourceDenied      Code = "source_denied"      // 401, 403 and the like
	CodeSourceRejected    Code = "source_rejected"    // any other answer that is no picture
	CodeSourceUnavailable Code = "source_unavailable" // 429 or 5xx, also after retries
	CodeUploadNotFound    Code = "upload_not_found"   // nothing was uploaded under the key
	CodeBodyTooLarge      Code = "body_too_large"     // more bytes than FETCH_MAX_BYTES
	CodeUnsupportedFormat Code = "unsupported_format" // not JPEG, PNG, GIF or WebP
	CodeCorruptImage      Code = "corrupt_image"      // cannot be decoded
	CodeImageTooLarge     Code = "image_too_large"    // too many pixels, or never fits in memory
	CodeDecodeTimeout     Code = "decode_timeout"     // decoding cost too much CPU time
	CodeSourceChanged     Code = "source_changed"     // it is another picture by now: reprocess takes it
	CodeStoreUnavailable  Code = "store_unavailable"  // S3 is out of reach; tried again for ever
	CodeWorkerCrashed     Code = "worker_crashed"     // every try ended the process that made it
	CodeInternal          Code = "internal"           // a defect of this service
)

// Error is a failed try: what went wrong, in words for the picture's owner, and
// what should happen next. Detail never holds a credential or a URL's query.
type Error struct {
	Code   Code
	Stage  Stage
	Detail string
	// Transient says that another try may succeed. The try counts.
	Transient bool
	// Ours says that the picture's own source was not to blame: a dependency of
	// this service was at fault, or the source's host failed for others. The try
	// is repeated without being counted. It implies Transient.
	Ours bool
	// RetryAfter is the least time until the next try that the source asked
	// for; zero when it did not.
	RetryAfter time.Duration
	// Err is the cause for the log. It is not shown to clients.
	Err error
}

// Error gives code, detail and cause in one line for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Variant is one stored rendition of an image. Width and Height are pixels.
type Variant struct {
	Name   string `json:"name"` // main, large, small (see Sizes) or square
	Key    string `json:"key"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Bytes  int64  `json:"bytes"`
	Format string `json:"format"` // jpeg, png or webp
}

// Result is what a finished try knows of its picture. Width and Height are the
// source's pixels after its orientation was applied.
type Result struct {
	SourceSHA256 string // lower-case hexadecimal
	SourceBytes  int64
	SourceFormat string // jpeg, png, gif or webp
	Width        int
	Height       int
	Variants     []Variant  // the main variant first
	Placeholder  string     // ThumbHash, in base64
	AverageColor string     // #rrggbb in sRGB; empty where nothing of the picture is opaque
	Animated     bool       // the source moves; the variants show its first frame
	Note         string     // for the picture's owner: what could not be done; usually empty
	Recipe       string     // that the variants were made by: see Recipe
	SecondPass   bool       // a second pass over the image is to follow
	Validators   Validators // of the source, to ask for it again; none of an upload
}

var (
	// ErrNothingToDo says that the job's image is gone, was replaced, is done,
	// or is being worked on by somebody else: the message can be dropped.
	ErrNothingToDo = errors.New("nothing to do for this job")
	// ErrAlreadyFailed says that the job's image has ended as failed before its
	// message was dead-lettered: the message still has to be.
	ErrAlreadyFailed = errors.New("image has failed already")
	// ErrLeaseLost says that the claim is no longer ours: its lease ran out and
	// another worker took over, or the image was replaced or deleted.
	ErrLeaseLost = errors.New("lease lost")
)
