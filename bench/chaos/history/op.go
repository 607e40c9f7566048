// Package history is the record of a chaos run: what was asked of the service,
// what it answered and when, and which faults were in force. The checker decides
// from it alone.
package history

import "time"

// Kind says what an operation did.
type Kind string

// The operations of clients, the ones of the sweep after the faults, and what the
// run itself did. Comments name the fields that go with them.
const (
	Create Kind = "create" // Key, Value, Pictures; Product and Version when acknowledged
	Update Kind = "update" // Product, Value, Pictures unless they were left alone
	Read   Kind = "read"   // Product; State when it was there. A Final one is of the sweep
	Delete Kind = "delete" // Product
	List   Kind = "list"   // Items, newest first; of the sweep: all there are
	Object Kind = "object" // Product, URL: a stored picture was fetched and decoded
	Stored Kind = "stored" // Product, Keys: what the object store has under the product

	Inject Kind = "inject" // Fault
	Heal   Kind = "heal"   // Fault: the cause is gone
	Well   Kind = "well"   // Fault: every replica reports all dependencies up again
	Stop   Kind = "stop"   // Replica: SIGTERM to exit; Error if that was not in order
)

// Outcome is what the client knows of an operation.
type Outcome string

// The outcomes. A write that is Unknown may have taken effect, or may do so later.
const (
	Acknowledged Outcome = "acknowledged" // a whole 2xx answer
	Refused      Outcome = "refused"      // a whole 4xx answer: nothing was changed
	Unknown      Outcome = "unknown"      // no answer, half of one, or 5xx
)

// Op is one operation. Start and End are monotonic, counted from the start of the
// run; Start is taken before the first byte is sent and End after the last was read.
type Op struct {
	ID      int           `json:"id"`
	Kind    Kind          `json:"kind"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome,omitempty"`
	// Status is the answer's; zero when there was none. Replica is who gave it,
	// empty when it was the proxy. Code is the problem's.
	Status     int    `json:"status,omitempty"`
	Replica    string `json:"replica,omitempty"`
	Code       string `json:"code,omitempty"`
	RetryAfter bool   `json:"retry_after,omitempty"`
	// Error says why there was no whole answer, or what was wrong with it.
	Error string `json:"error,omitempty"`
	// Garbled says that a whole answer made no sense.
	Garbled bool `json:"garbled,omitempty"`

	Key     string `json:"key,omitempty"` // of the create, also in the product's name
	Product string `json:"product,omitempty"`
	// Value is what was written; no two writes of a run have the same.
	Value int64 `json:"value,omitempty"`
	// Pictures are the sources that were written; nil where an update left them alone.
	Pictures []Picture `json:"pictures,omitempty"`
	// State is the product as the answer showed it.
	State *State `json:"state,omitempty"`
	Cache string `json:"cache,omitempty"` // X-Cache
	Items []Item `json:"items,omitempty"`
	Final bool   `json:"final,omitempty"`

	URL   string   `json:"url,omitempty"`
	Keys  []string `json:"keys,omitempty"`
	Fault string   `json:"fault,omitempty"`
}

// Picture is a source that a write names, and how its work has to end.
type Picture struct {
	URL   string `json:"url"`
	Ready bool   `json:"ready"` // else failed
}

// State is a product as a client sees it.
type State struct {
	Version int64   `json:"version"`
	Value   int64   `json:"value"`
	Images  []Image `json:"images,omitempty"`
	// Compressed is how many entries compressed_product_images has.
	Compressed int `json:"compressed,omitempty"`
}

// Image is a picture of a product as a client sees it.
type Image struct {
	Source string   `json:"source"`
	Status string   `json:"status"`
	Code   string   `json:"code,omitempty"`
	URLs   []string `json:"urls,omitempty"` // of all variants
}

// Item is a line of a list.
type Item struct {
	Product string `json:"product"`
	Key     string `json:"key"`
	State   *State `json:"state,omitempty"` // nil in the sweep's list
}

// OrderlySuffix ends the names of faults during which no request may fail.
const OrderlySuffix = " orderly"
