// Package product is the catalogue: its products, their images and users, kept
// in PostgreSQL and shown through a cache.
//
// Every change of a product goes through one write path (see [catalogue.Service]) that
// keeps the cache from showing anything older than the last acknowledged write.
// What has to happen outside the database (queue messages, deletions of objects,
// late cache invalidations) is written to an outbox in the same transaction and
// done by a [outbox.Relay]. Workers see the images through [job.Store], and a [maintenance.Reconciler]
// puts back what got lost on the way.
package product

import (
	"encoding/json"
	"fmt"
)

// NewProduct is what a client gives to create a product. Images are http or
// https URLs, or name uploads, in the order they are to be shown.
type NewProduct struct {
	UserID      int64
	Name        string
	Description string
	Price       Price
	Images      []string
	Metadata    Metadata
	ExternalID  string // unique among those of the user; empty for none
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

// Precondition makes a write depend on the product's version. Zero: no condition.
type Precondition struct {
	Version int64
}

// Source says where a snapshot was read.
type Source int

// The sources of a snapshot.
const (
	FromDatabase Source = iota
	FromCache
	// FromCacheAlone is FromCache while PostgreSQL is out of reach, so that nothing
	// can be written: the value is the last acknowledged one all the same.
	FromCacheAlone
)

// Snapshot is a product at one version. Data is the JSON object that clients
// see; it must not be modified.
type Snapshot struct {
	ID      int64
	Owner   int64
	Version int64
	Data    []byte
	Source  Source
}

// Page is a part of a list. Items are the JSON objects of Snapshot.Data. Next is
// empty on the last page; a page may be short, or empty, without being the last.
type Page struct {
	Items   []json.RawMessage
	Next    string
	HasMore bool
	Total   *Total // where it was asked for
}

// Total is how many products match on all pages together: exactly, or at least.
type Total struct {
	Count int
	Exact bool
}

// check compares the version that was asked for with the product's.
func (p Precondition) Check(version int64) error {
	if p.Version != 0 && p.Version != version {
		return fmt.Errorf("version %d, not %d: %w", version, p.Version, ErrPrecondition)
	}
	return nil
}

// Settled reports whether all images are ready or failed.
func (s Snapshot) Settled() bool {
	var data struct {
		ImageStatus ImageStatus `json:"image_status"`
	}
	return json.Unmarshal(s.Data, &data) == nil && data.ImageStatus != ImagesPending
}
