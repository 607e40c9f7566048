package product

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxQuery is the maximum length of a full-text query, in characters.
const maxQuery = 200

// Filter selects a page of products and its order. Nil and empty fields select
// everything; a product must match all others.
type Filter struct {
	UserID        *int64
	ExternalID    string      // the id that the owner gave the product
	MinPrice      *Price      // inclusive
	MaxPrice      *Price      // inclusive
	Name          string      // substring of the name, regardless of case
	Query         string      // full-text search in name and description, in web search syntax
	ImageStatus   ImageStatus // of all images of the product together
	CreatedAfter  *time.Time  // exclusive
	CreatedBefore *time.Time  // exclusive
	Sort          Sort        // empty: [DefaultSort]
	Limit         int         // 1 to 100; 0 means 20
	Cursor        string      // Page.Next of the previous page, with the same filter and sort
	Total         bool        // whether to count the matches, see [Total]
}

// Sort is the name of a field, prefixed with a minus for descending order.
type Sort string

// DefaultSort puts the newest products first.
const DefaultSort Sort = "-created_at"

// Sorts lists every sort. Products with equal fields are in the order of their ids. Names
// are compared in lower case, by Unicode code point.
var Sorts = []Sort{
	"created_at", DefaultSort, "updated_at", "-updated_at",
	"product_price", "-product_price", "product_name", "-product_name",
}

// Validate returns a [*ValidationError] that lists every invalid field, or nil. Only the
// database can tell whether Query contains a word to search for.
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
	// A cursor cannot match a filter that is invalid itself.
	if _, err := q.Position(); err == errBadPosition || err != nil && len(f) == 0 {
		f = append(f, *err)
	}
	return f.Err()
}

// alternatives lists the allowed values of a parameter.
func alternatives[T ~string](all []T) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// Order returns Sort, or [DefaultSort] if it is empty.
func (q Filter) Order() Sort {
	if q.Sort == "" {
		return DefaultSort
	}
	return q.Sort
}

// Normalized returns an equivalent filter whose times are in UTC and in microseconds, the
// resolution of PostgreSQL.
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

// digestBytes is enough to detect a cursor that is used with another filter by mistake.
// Forging one is pointless: it yields only what another filter would return.
const digestBytes = 8

// digest identifies the selection: everything but the order, the cursor and the size of
// the page.
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
