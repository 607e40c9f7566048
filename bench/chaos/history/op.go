// Package history is the record of a chaos run: the requests to the service, its
// responses and their times, and the faults. The checker decides from it alone.
package history

import "time"

// Kind is the kind of an operation.
type Kind string

// The operations of clients, of the sweeps, and of the run itself. The comments name the
// fields that they use.
const (
	Create Kind = "create" // Key, Value, Pictures; Product and Version when acknowledged
	Update Kind = "update" // Product, Value, Pictures if it replaced them
	Read   Kind = "read"   // Product; State if it was found; Final if a sweep did it
	Delete Kind = "delete" // Product
	List   Kind = "list"   // Items, newest first; those of a sweep are complete
	Object Kind = "object" // Product, URL: a stored picture was fetched and decoded
	Stored Kind = "stored" // Product, Keys: the object store's keys under the product

	Inject  Kind = "inject"  // Fault
	Heal    Kind = "heal"    // Fault: the cause is gone
	Healthy Kind = "healthy" // Fault: every replica reports all dependencies up again
	Stop    Kind = "stop"    // Replica: from SIGTERM to the exit; Error if the exit was not clean
)

// Outcome is what the client knows about the effect of an operation.
type Outcome string

// The outcomes. A write that is Unknown may have taken effect, or may do so later.
const (
	Acknowledged Outcome = "acknowledged" // a complete 2xx response
	Refused      Outcome = "refused"      // a complete 4xx response: nothing was changed
	Unknown      Outcome = "unknown"      // no response, a part of one, or a 5xx
)

// Op is one operation. Start and End are monotonic times since the start of the run:
// before the first byte was sent and after the last was read.
type Op struct {
	ID      int           `json:"id"`
	Kind    Kind          `json:"kind"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome,omitempty"`
	// Status is the status of the response, zero without one. Replica sent it; it is
	// empty if the load balancer did. Code is the code of the problem.
	Status     int    `json:"status,omitempty"`
	Replica    string `json:"replica,omitempty"`
	Code       string `json:"code,omitempty"`
	RetryAfter bool   `json:"retry_after,omitempty"`
	// Error says why there was no complete response, or what was wrong with it.
	Error string `json:"error,omitempty"`
	// Garbled reports whether a complete response could not be understood.
	Garbled bool `json:"garbled,omitempty"`

	Key     string `json:"key,omitempty"` // of the create, also in the product's name
	Product string `json:"product,omitempty"`
	// Value is the value written. It is unique within a run.
	Value int64 `json:"value,omitempty"`
	// Pictures are the sources written, or nil if an update did not replace them.
	Pictures []Picture `json:"pictures,omitempty"`
	// State is the product in the response.
	State *State `json:"state,omitempty"`
	Cache string `json:"cache,omitempty"` // X-Cache
	Items []Item `json:"items,omitempty"`
	Final bool   `json:"final,omitempty"`

	URL   string   `json:"url,omitempty"`
	Keys  []string `json:"keys,omitempty"`
	Fault string   `json:"fault,omitempty"`
}

// Picture is a source in a write, and the status its image has to end with.
type Picture struct {
	URL   string `json:"url"`
	Ready bool   `json:"ready"` // otherwise failed
}

// State is a product as a client sees it.
type State struct {
	Version int64   `json:"version"`
	Value   int64   `json:"value"`
	Images  []Image `json:"images,omitempty"`
	// Compressed is the number of entries in compressed_product_images.
	Compressed int `json:"compressed,omitempty"`
}

// Image is an image of a product as a client sees it.
type Image struct {
	Source string   `json:"source"`
	Status string   `json:"status"`
	Code   string   `json:"code,omitempty"`
	URLs   []string `json:"urls,omitempty"` // of all variants
}

// Item is an entry of a list.
type Item struct {
	Product string `json:"product"`
	Key     string `json:"key"`
	State   *State `json:"state,omitempty"` // nil for an object's URL
}

// OrderlySuffix is the end of the names of faults during which no request may fail.
const OrderlySuffix = " orderly"
