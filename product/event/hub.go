package event

import (
	"errors"
	"sync"

	"vitrine/product/postgres"
)

// subscriptionBuffer is how many events a subscriber may be behind.
const subscriptionBuffer = 1024

// hub hands events out to those in the process who wait for them.
type hub struct {
	wake chan struct{} // says that somebody has come

	mu        sync.Mutex
	following bool                   // position is that of the log a moment ago
	position  int64                  // of the last event that was handed out
	subs      map[*Subscription]bool // true once it has been let in
	watchers  map[int64]map[chan struct{}]bool
}

func newHub() *hub {
	return &hub{
		wake: make(chan struct{}, 1), subs: make(map[*Subscription]bool), watchers: make(map[int64]map[chan struct{}]bool),
	}
}

// watch gives a channel with room for one signal that says that the product may
// have changed, until stop is called.
func (h *hub) Watch(product int64) (changed <-chan struct{}, stop func()) {
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

// join adds a subscriber, who is let in when the log has been read.
func (h *hub) join(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[s] = false
	postgres.Signal(h.wake)
}

func (h *hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, s)
}

// look gives the position to read from, and those who wait to be let in. Where
// nobody waits for anything there is nothing to be read; what happens meanwhile is
// skipped.
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

// begin sets the position from which events are handed out. Who came before may
// have missed some: watchers look once more.
func (h *hub) begin(position int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restart(position)
}

func (h *hub) restart(position int64) {
	h.following, h.position = true, position
	for _, signals := range h.watchers {
		for c := range signals {
			postgres.Signal(c)
		}
	}
}

// hand hands out events, which follow each other in the log. Where some are missing
// between them and the last ones, which have been pruned meanwhile, all subscribers
// are cut off: they learn of the loss when they come back.
func (h *hub) hand(events []*Event) {
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
				h.give(s, e)
			}
		}
		h.position = e.Position
	}
}

// give cuts a subscriber off who is too far behind: nobody waits for it, and
// nothing grows.
func (h *hub) give(s *Subscription, e *Event) {
	select {
	case s.events <- e:
	default:
		h.cut(s)
	}
}

func (h *hub) cut(s *Subscription) {
	close(s.events)
	delete(h.subs, s)
}

// admit lets subscribers in at the position that has been reached, or tells them
// why not.
func (h *hub) admit(joining []*Subscription, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range joining {
		if _, waits := h.subs[s]; !waits {
			continue // it has left
		}
		if err == nil {
			h.subs[s], s.position = true, h.position
		} else {
			delete(h.subs, s) // it is told once: nobody may be there for a second time
		}
		s.admitted <- err
	}
}

// errNotTailing is what a subscriber gets where nobody reads the log.
var errNotTailing = errors.New("the event log is not being read")
