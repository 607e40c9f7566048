package queue

import (
	"context"
	"sync"
)

// handlers counts the handlers that run in this process, whichever session their
// delivery came from, and stops them in order.
type handlers struct {
	// stopping is closed when no handler may start any more.
	stopping chan struct{}
	// idle is closed once none may start and none runs.
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

// begin counts a handler in, unless the process is stopping. Acknowledging its
// delivery belongs before end: what comes after may be too late.
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

// stop lets no handler start from now on. It may be called again.
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

// interrupt ends the contexts of the handlers that still run.
func (h *handlers) interrupt() {
	h.mu.Lock()
	cancel := h.cancel
	h.mu.Unlock()
	cancel()
}

// left is the number of handlers that run.
func (h *handlers) left() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}
