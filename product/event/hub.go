package event

import (
	"errors"
	"sync"

	"vitrine/product/postgres"
)

// subscriptionBuffer is how many events a subscriber may lag behind.
const subscriptionBuffer = 1024

// hub distributes events to the subscribers and watchers in the process.
type hub struct {
	wake chan struct{} // signals a new subscriber or watcher to the tailer

	mu        sync.Mutex
	following bool                   // whether position is current
	position  int64                  // of the last distributed event
	subs      map[*Subscription]bool // true once admitted
	watchers  map[int64]map[chan struct{}]bool
}

func newHub() *hub {
	return &hub{
		wake: make(chan struct{}, 1), subs: make(map[*Subscription]bool), watchers: make(map[int64]map[chan struct{}]bool),
	}
}

// watch implements [Log.Watch].
func (h *hub) watch(product int64) (changed <-chan struct{}, stop func()) {
	signals := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers[product] == nil {
		h.watchers[product] = make(map[chan struct{}]bool)
	}
	h.watchers[product][signals] = true
	postgres.Signal(h.wake)
	return signals, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if delete(h.watchers[product], signals); len(h.watchers[product]) == 0 {
			delete(h.watchers, product)
		}
	}
}

// join adds a subscriber. It is admitted after the tailer's next read of the log.
func (h *hub) join(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[s] = false
	postgres.Signal(h.wake)
}

// leave removes a subscriber.
func (h *hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, s)
}

// look returns the position to read from and the subscribers that wait for admission.
// wanted is false without subscribers and watchers; events are then skipped.
func (h *hub) look() (position int64, following, wanted bool, joining []*Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if wanted = len(h.subs)+len(h.watchers) > 0; !wanted {
		h.following = false
	}
	for s, in := range h.subs {
		if !in {
			joining = append(joining, s)
		}
	}
	return h.position, h.following, wanted, joining
}

// begin sets the position after which events are distributed, and signals all watchers,
// since events before it may have been skipped.
func (h *hub) begin(position int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restart(position)
}

// restart is begin for callers that hold mu.
func (h *hub) restart(position int64) {
	h.following, h.position = true, position
	for _, signals := range h.watchers {
		for c := range signals {
			postgres.Signal(c)
		}
	}
}

// distribute sends events, which are consecutive in the log, to subscribers and watchers.
// If events before them are missing because they were purged, it cuts off all admitted
// subscribers; they learn of the loss when they return.
func (h *hub) distribute(events []*Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if events[0].Position != h.position+1 {
		for s, in := range h.subs {
			if in {
				h.cut(s)
			}
		}
		h.restart(h.position)
	}
	for _, e := range events {
		for c := range h.watchers[e.ProductID] {
			postgres.Signal(c)
		}
		for s, in := range h.subs {
			if in && s.scope.Covers(e.UserID) && s.filter.selects(e) {
				h.send(s, e)
			}
		}
		h.position = e.Position
	}
}

// send sends an event to a subscriber, or cuts it off if its buffer is full. It never
// blocks.
func (h *hub) send(s *Subscription, e *Event) {
	select {
	case s.events <- e:
	default:
		h.cut(s)
	}
}

// cut ends a subscription from the hub's side.
func (h *hub) cut(s *Subscription) {
	close(s.events)
	delete(h.subs, s)
}

// admit admits subscribers at the current position, or sends them err and removes them.
func (h *hub) admit(joining []*Subscription, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range joining {
		if _, waiting := h.subs[s]; !waiting {
			continue // closed in the meantime
		}
		if err == nil {
			h.subs[s], s.position = true, h.position
		} else {
			delete(h.subs, s) // admitted has room for one result
		}
		s.admitted <- err
	}
}

// errNotTailing is the error of a subscription that no tailer admitted in time.
var errNotTailing = errors.New("event log is not being read")
