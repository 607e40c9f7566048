package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sirupsen/logrus"
	"github.com/wagslane/go-rabbitmq"
)

const (
	// A delivery that was left comes again after these pauses.
	leaveFirst   = 500 * time.Millisecond
	leaveLongest = 10 * time.Second
	// maxPanics is how often a handler may panic over one delivery of the work
	// queue before the message is dead-lettered.
	maxPanics = 3
	// deadPrefetch is how many dead letters are on their way at once, for a
	// handler that takes one at a time.
	deadPrefetch = 8
)

// Verdict says what becomes of a delivery.
type Verdict int

// The verdicts.
const (
	// Ack removes the message.
	Ack Verdict = iota
	// Reject moves it to the dead-letter queue. A dead letter cannot be
	// rejected, for it would be lost: there Reject does what Leave does.
	Reject
	// Leave keeps it unacknowledged. The handler gets it again, Redelivered,
	// after a pause that grows to ten seconds and without the broker counting a
	// delivery; when the connection ends or this process stops, the broker
	// delivers it to somebody else. Until then it occupies its worker, so it is
	// for what is down for everybody, a database for instance.
	Leave
)

// Delivery is one message as a handler gets it.
type Delivery struct {
	Body      []byte
	MessageID string
	// Reason says why a dead letter was dead-lettered: rejected,
	// delivery_limit, expired or maxlen. It is empty in the work queue.
	Reason string
	// Redelivered says that the message may have been delivered before.
	Redelivered bool
}

// Handler handles a delivery. It is called concurrently. Its context ends when
// the process stops and the time to finish has run out, never because a
// connection is lost: then the verdict has no effect, and the message is
// delivered again while the handler may still run.
//
// A panic is recovered and logged, and means Leave. The third one over the same
// delivery of the work queue means Reject, so that no message panics for ever;
// one that ends the process instead is dead-lettered by the delivery limit.
type Handler func(ctx context.Context, d Delivery) Verdict

// consumer calls the handler of one queue. It outlives sessions, and its slots
// bound the handlers that run at once: those of a lost connection still hold
// theirs when the next one delivers the same messages.
type consumer struct {
	queue    string
	handler  Handler
	handlers *handlers
	slots    chan struct{}
	prefetch int
	last     bool // dead letters: nothing comes after this queue
	log      *logrus.Entry
}

// subscribe consumes on conn for as long as s lasts; ctx is what handlers run with.
func (c *consumer) subscribe(ctx context.Context, conn *rabbitmq.Conn, s *session, log rabbitmq.Logger) (*rabbitmq.Consumer, error) {
	consumer, err := rabbitmq.NewConsumer(conn, c.queue,
		rabbitmq.WithConsumerOptionsQueueNoDeclare,
		rabbitmq.WithConsumerOptionsConsumerName(product),
		rabbitmq.WithConsumerOptionsQOSPrefetch(c.prefetch),
		rabbitmq.WithConsumerOptionsConcurrency(cap(c.slots)),
		// Its graceful close hands deliveries back and takes them again, over
		// and over, until the last handler is done; each time counts.
		rabbitmq.WithConsumerOptionsForceShutdown,
		rabbitmq.WithConsumerOptionsLogger(log),
	)
	if err != nil {
		return nil, fmt.Errorf("open consumer of %s: %w", c.queue, err)
	}
	go func() {
		err := consumer.Run(func(d rabbitmq.Delivery) rabbitmq.Action {
			c.take(ctx, s.over, d.Delivery)
			return rabbitmq.Manual
		})
		if !s.consuming.link.wanted() {
			s.fail(fmt.Errorf("consumer of %s stopped: %w", c.queue, orOver(err)))
		}
	}()
	return consumer, nil
}

// take handles a delivery until it is settled, or until over: then the broker
// delivers it to somebody else. What is neither acknowledged nor rejected here
// stays with the channel and goes back when that is closed; that costs a message
// one delivery at most, however long the closing takes.
func (c *consumer) take(ctx context.Context, over <-chan struct{}, d amqp.Delivery) {
	select {
	case c.slots <- struct{}{}:
	case <-over:
		return
	case <-c.handlers.stopping:
		return
	}
	defer func() { <-c.slots }()
	pause := backoff{first: leaveFirst, longest: leaveLongest}
	panics := 0
	for !c.try(ctx, over, &d, &panics) {
		timer := time.NewTimer(pause.next())
		select {
		case <-timer.C:
		case <-over:
		case <-c.handlers.stopping:
		}
		timer.Stop()
		d.Redelivered = true
	}
}

// try calls the handler once and settles the delivery. It is false if the
// delivery was left and is still ours.
func (c *consumer) try(ctx context.Context, over <-chan struct{}, d *amqp.Delivery, panics *int) (done bool) {
	select {
	case <-over:
		return true
	default:
	}
	if !c.handlers.begin() {
		return true
	}
	defer c.handlers.end()
	verdict, panicked := c.call(ctx, d)
	if panicked {
		if *panics++; *panics >= maxPanics {
			verdict = Reject
		}
	}
	var err error
	switch {
	case verdict == Ack:
		err = d.Ack(false)
	case verdict == Reject && !c.last:
		err = d.Nack(false, false)
	default:
		return false
	}
	if err != nil {
		// The connection ended meanwhile: the message comes again.
		c.log.WithError(err).WithField("message_id", d.MessageId).Debug("delivery could not be settled")
	}
	return true
}

// call calls the handler inside recover: the library has none, and a panic on its
// goroutine would end the process.
func (c *consumer) call(ctx context.Context, d *amqp.Delivery) (verdict Verdict, panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			c.log.WithFields(logrus.Fields{
				"message_id": d.MessageId,
				"panic":      fmt.Sprint(p),
				"stack":      string(debug.Stack()),
			}).Error("message handler panicked")
			verdict, panicked = Leave, true
		}
	}()
	return c.handler(ctx, Delivery{
		Body:        d.Body,
		MessageID:   d.MessageId,
		Reason:      deathReason(d.Headers),
		Redelivered: d.Redelivered,
	}), false
}

// deathReason reads the reason of the latest death from the header that the
// broker adds when it dead-letters: https://www.rabbitmq.com/docs/dlx.
func deathReason(headers amqp.Table) string {
	deaths, _ := headers["x-death"].([]any)
	if len(deaths) == 0 {
		return ""
	}
	death, _ := deaths[0].(amqp.Table)
	reason, _ := death["reason"].(string)
	return reason
}
