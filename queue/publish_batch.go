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
// independent of the callers' deadlines.
const confirmBudget = 15 * time.Second

// batch is the set of messages that one call of publish sends. Its last message, the
// fence, has a routing key that no queue is bound to. The broker returns it, as it
// returns every unroutable message, and returns arrive in the order of publishing: once
// the fence is back, all returns of the batch have arrived. Confirms cannot show this:
// unroutable messages are confirmed too, and the library delivers returns and confirms
// on different goroutines.
//
// The publisher's lock guards all fields but id and begun until the confirms are known.
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

// sent records the result of writing the batch.
func (p *publisher) sent(b *batch, confirms []*amqp.DeferredConfirmation, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.confirms = confirms
	if err != nil {
		delete(p.batches, b.id)
	}
}

// takeReturn handles one message that the broker returned as unroutable. The library
// calls it for one message at a time.
func (p *publisher) takeReturn(r rabbitmq.Return) {
	if r.RoutingKey != p.names.fence {
		// The next session declares the queue again.
		p.link.lost(fmt.Errorf("broker returned a message: %s", r.ReplyText))
	}
	id, index := parseCorrelation(r.CorrelationId)
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.batches[id]
	switch {
	case b == nil: // the caller no longer waits for it
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

// stalled forgets the settled batches and reports whether a confirm is overdue by more
// than confirmBudget. Time in which the broker blocks publishing does not count.
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

// correlation returns the correlation id of message index of batch id. The message's own
// id is not enough: the same message may be in flight twice.
func correlation(id uint64, index int) string {
	return strconv.FormatUint(id, 10) + "." + strconv.Itoa(index)
}

// parseCorrelation is the inverse of correlation. For any other text it returns id 0,
// which no batch has.
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
