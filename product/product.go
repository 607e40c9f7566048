package product

import (
	"encoding/json"
	"fmt"
	"time"
)

// NewProduct is the input that creates a product. Images are http or https URLs, or
// sources of uploads, in the order in which to show them.
type NewProduct struct {
	UserID      int64
	Name        string
	Description string
	Price       Price
	Images      []string
	Metadata    Metadata
	ExternalID  string // unique among the user's products; empty for none
}

// Patch changes a product. A nil field stays as it is.
type Patch struct {
	Name        *string
	Description *string
	Price       *Price
	Images      *[]string
	Metadata    *MetadataPatch
	ExternalID  *string // empty removes it
}

// Precondition makes a write depend on the product's version. The zero value sets no
// condition.
type Precondition struct {
	Version int64
}

// Check returns [ErrPrecondition] unless the product's version is the required one.
func (p Precondition) Check(version int64) error {
	if p.Version != 0 && p.Version != version {
		return fmt.Errorf("version %d, not %d: %w", version, p.Version, ErrPrecondition)
	}
	return nil
}

// Source is where a snapshot was read.
type Source int

// The sources of a snapshot.
const (
	FromDatabase Source = iota
	FromCache
	// FromCacheAlone is FromCache while PostgreSQL is unreachable. Nothing can be
	// written then, so the value is still the last acknowledged one.
	FromCacheAlone
)

// Snapshot is one version of a product. Data is the JSON object that clients see; it
// must not be modified.
type Snapshot struct {
	ID      int64
	Owner   int64
	Version int64
	Data    []byte
	Source  Source
}

// Page is one page of a list. Items are the same JSON objects as Snapshot.Data. Next is
// the cursor of the following page, empty on the last page. A page may have fewer items
// than requested, or none, without being the last.
type Page struct {
	Items   []json.RawMessage
	Next    string
	HasMore bool
	Total   *Total // nil unless requested
}

// Total is the number of products on all pages together. Count is a lower bound unless
// Exact is true.
type Total struct {
	Count int
	Exact bool
}

// ImageStatus summarizes the states of a product's images.
type ImageStatus string

// The states of all images of a product together.
const (
	ImagesNone    ImageStatus = "none"    // the product has no images
	ImagesPending ImageStatus = "pending" // at least one image is pending or processing
	ImagesPartial ImageStatus = "partial" // some are ready, the others failed
	ImagesReady   ImageStatus = "ready"   // all are ready
	ImagesFailed  ImageStatus = "failed"  // all failed
)

// ImageStatuses lists every ImageStatus.
var ImageStatuses = []ImageStatus{ImagesNone, ImagesPending, ImagesPartial, ImagesReady, ImagesFailed}

// Settled reports whether all images are ready or failed.
func (s Snapshot) Settled() bool {
	var data struct {
		ImageStatus ImageStatus `json:"image_status"`
	}
	return json.Unmarshal(s.Data, &data) == nil && data.ImageStatus != ImagesPending
}

// Timestamp is a time whose JSON is in UTC with microseconds (RFC 3339).
type Timestamp time.Time

// MarshalJSON implements [json.Marshaler].
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}
