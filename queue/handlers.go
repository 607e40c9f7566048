package queue

import (
	"context"
	"sync"
)

// handlers counts the running handlers of this process across all sessions, and stops
// them in order.
type handlers struct {
	// stopping is closed when handlers may no longer start.
	stopping chan struct{}
	// idle is closed when handlers may no longer start and none is running.
	idle chan struct{}

	mu      sync.Mutex
	running int
	stopped bool
	cancel  context.CancelFunc // of the contexts that handlers run with
}

func newHandlers() *handlers {
	return &handlers{
		stopping: make(chan struct{}),
		idle:     make(chan struct{}),
		cancel:   func() {},
	}
}

func (h *handlers) areStopping() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// begin counts a handler and reports true, or reports false if the process is stopping.
// Settle the delivery before calling end: afterwards the connection may be closed.
func (h *handlers) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	h.running++
	return true
}

func (h *handlers) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	if h.stopped && h.running == 0 {
		close(h.idle)
	}
}

// stop keeps handlers from starting. It may be called again.
func (h *handlers) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	h.stopped = true
	close(h.stopping)
	if h.running == 0 {
		close(h.idle)
	}
}

func (h *handlers) cancelWith(cancel context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancel = cancel
}

// interrupt ends the contexts of the running handlers.
func (h *handlers) interrupt() {
	h.mu.Lock()
	cancel := h.cancel
	h.mu.Unlock()
	cancel()
}

// left returns the number of running handlers.
func (h *handlers) left() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}
