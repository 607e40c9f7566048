package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/wagslane/go-rabbitmq"
)

// confirmBudget is how late a confirm may be before the session counts as broken,
// whatever the deadlines of those who wait for it.
const confirmBudget = 15 * time.Second

// batch is what one call of publish sends. Its fence is a last message that
// nothing is bound to. The broker returns it, as it returns every unroutable
// message, and returns come in the order of publishing: when the fence is back,
// all returns of the batch have been seen. Confirms do not say that much: an
// unroutable message is confirmed too, and the library passes returns and
// confirms on by different goroutines.
//
// Its fields but id and begun are guarded by the publisher's lock until its
// confirms are known.
type batch struct {
	id       uint64
	begun    time.Time
	fence    chan struct{} // closed when the fence is back
	fenced   bool
	confirms []*amqp.DeferredConfirmation // nil until everything is written
	returned []bool
}

// begin registers a batch of n messages.
func (p *publisher) begin(n int) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastID++
	b := &batch{
		id:       p.lastID,
		begun:    time.Now(),
		fence:    make(chan struct{}),
		returned: make([]bool, n),
	}
	p.batches[b.id] = b
	return b
}

// sent says what became of writing the batch.
func (p *publisher) sent(b *batch, confirms []*amqp.DeferredConfirmation, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.confirms = confirms
	if err != nil {
		delete(p.batches, b.id)
	}
}

// takeReturn is told of every message that came back as unroutable, one after the
// other.
func (p *publisher) takeReturn(r rabbitmq.Return) {
	if r.RoutingKey != p.names.fence {
		// The next session declares the queue again.
		p.link.lost(fmt.Errorf("a message was returned: %s", r.ReplyText))
	}
	id, index := parseCorrelation(r.CorrelationId)
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.batches[id]
	switch {
	case b == nil: // nobody waits for it any more
	case index < len(b.returned):
		b.returned[index] = true
	case !b.fenced:
		b.fenced = true
		close(b.fence)
	}
}

func (p *publisher) wasReturned(b *batch, index int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.returned[index]
}

// stalled forgets the batches that are settled and tells whether the broker owes
// an answer for longer than confirmBudget. While it blocks us it owes nothing.
func (p *publisher) stalled(blocked bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if blocked {
		p.pausedAt = now
	}
	late := false
	for id, b := range p.batches {
		since := b.begun
		if p.pausedAt.After(since) {
			since = p.pausedAt
		}
		switch {
		case b.settled():
			delete(p.batches, id)
		case now.Sub(since) > confirmBudget:
			late = true
		}
	}
	return late
}

func (b *batch) settled() bool {
	for _, confirm := range b.confirms {
		select {
		case <-confirm.Done():
		default:
			return false
		}
	}
	return b.fenced
}

// correlation names message index of batch id on its way to the broker and back.
// Its own id would not do: the same message may be under way twice.
func correlation(id uint64, index int) string {
	return strconv.FormatUint(id, 10) + "." + strconv.Itoa(index)
}

// parseCorrelation gives id 0, which no batch has, for what correlation has not
// written.
func parseCorrelation(s string) (id uint64, index int) {
	left, right, _ := strings.Cut(s, ".")
	id, err := strconv.ParseUint(left, 10, 64)
	if err != nil {
		return 0, 0
	}
	if index, err = strconv.Atoi(right); err != nil || index < 0 {
		return 0, 0
	}
	return id, index
}
