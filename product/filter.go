package product

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxQuery bounds a full-text query, in characters.
const maxQuery = 200

// Filter selects products and says in which order they come. Nil and empty fields
// select everything; what is given has to hold together.
type Filter struct {
	UserID        *int64
	ExternalID    string      // the owner's own id of the product
	MinPrice      *Price      // inclusive
	MaxPrice      *Price      // inclusive
	Name          string      // substring of the name, without regard to case
	Query         string      // words of the name and the description: in the syntax of web searches
	ImageStatus   ImageStatus // of the images together
	CreatedAfter  *time.Time  // exclusive
	CreatedBefore *time.Time  // exclusive
	Sort          Sort        // empty: [DefaultSort]
	Limit         int         // 1 to 100; 0 means 20
	Cursor        string      // Page.Next of the page before, of the same filter and sort
	Total         bool        // count the matches, see [Total]
}

// Sort is the name of a field, with a minus before it for descending order.
type Sort string

// DefaultSort is newest first.
const DefaultSort Sort = "-created_at"

// Sorts are all there are. Products that are equal in the field come in the order
// of their ids, so that no two are equal. Names are compared in lower case,
// character by character of Unicode.
var Sorts = []Sort{
	"created_at", DefaultSort, "updated_at", "-updated_at",
	"product_price", "-product_price", "product_name", "-product_name",
}

// ImageStatuses are all there are.
var ImageStatuses = []ImageStatus{ImagesNone, ImagesPending, ImagesPartial, ImagesReady, ImagesFailed}

// Validate gives a [*ValidationError] that names every bad field, or nil. Whether
// Query has a word to look for is known to the database alone.
func (q Filter) Validate() error {
	var f FieldErrors
	if q.MinPrice != nil && q.MaxPrice != nil && q.MaxPrice.Less(*q.MinPrice) {
		f.Add("max_price", "out_of_range", "must not be lower than min_price")
	}
	f.externalID("external_id", q.ExternalID)
	f.CheckText("product_name", q.Name, 0, MaxName, false)
	f.CheckText("q", q.Query, 0, maxQuery, false)
	if q.ImageStatus != "" && !slices.Contains(ImageStatuses, q.ImageStatus) {
		f.Add("image_status", "invalid", "must be %s", alternatives(ImageStatuses))
	}
	if q.CreatedAfter != nil && q.CreatedBefore != nil && !q.CreatedAfter.Before(*q.CreatedBefore) {
		f.Add("created_before", "out_of_range", "must be later than created_after")
	}
	if q.Sort != "" && !slices.Contains(Sorts, q.Sort) {
		f.Add("sort", "invalid", "must be %s", alternatives(Sorts))
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		f.Add("limit", "out_of_range", "must be from 1 to %d", MaxLimit)
	}
	// Where another part is bad, a cursor cannot be expected to fit it.
	if _, err := q.Position(); err == errNoCursor || err != nil && len(f) == 0 {
		f.Add("cursor", err.Code, "%s", err.Detail)
	}
	return f.Err()
}

// alternatives lists what a parameter may be.
func alternatives[T ~string](all []T) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// sort gives the sort in force.
func (q Filter) Order() Sort {
	if q.Sort == "" {
		return DefaultSort
	}
	return q.Sort
}

// normal gives the filter with times in microseconds, the steps of PostgreSQL's,
// that select the same.
func (q Filter) Normalized() Filter {
	if q.CreatedAfter != nil {
		t := q.CreatedAfter.UTC().Truncate(time.Microsecond)
		q.CreatedAfter = &t
	}
	if q.CreatedBefore != nil {
		t := q.CreatedBefore.UTC().Truncate(time.Microsecond)
		if t.Before(*q.CreatedBefore) {
			t = t.Add(time.Microsecond)
		}
		q.CreatedBefore = &t
	}
	return q
}

// digestBytes is enough to notice a cursor that came with another filter by
// mistake; whoever forges one reads what another filter would have given them.
const digestBytes = 8

// digest names what is selected: all but the order, the place and the page's size.
func (q Filter) digest() [digestBytes]byte {
	q = q.Normalized()
	var user, low, high, from, to string
	if q.UserID != nil {
		user = strconv.FormatInt(*q.UserID, 10)
	}
	if q.MinPrice != nil {
		low = q.MinPrice.amount.String() // 1.5 and 1.50 select the same
	}
	if q.MaxPrice != nil {
		high = q.MaxPrice.amount.String()
	}
	if q.CreatedAfter != nil {
		from = q.CreatedAfter.Format(time.RFC3339Nano)
	}
	if q.CreatedBefore != nil {
		to = q.CreatedBefore.Format(time.RFC3339Nano)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{user, q.ExternalID, low, high, q.Name, q.Query, string(q.ImageStatus), from, to}))
	return [digestBytes]byte(sum[:])
}
