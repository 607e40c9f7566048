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
	// The shortest and the longest pause before a delivery that was left is handled
	// again.
	leaveFirst   = 500 * time.Millisecond
	leaveLongest = 10 * time.Second
	// maxPanics is the number of panics over one delivery of the work queue after
	// which the message is dead-lettered.
	maxPanics = 3
	// deadPrefetch is the prefetch of the dead-letter queue, whose handler takes one
	// message at a time.
	deadPrefetch = 8
)

// Verdict is a handler's decision about a delivery.
type Verdict int

// The verdicts.
const (
	// Ack removes the message.
	Ack Verdict = iota
	// Reject moves the message to the dead-letter queue. In the dead-letter queue
	// itself Reject does what Leave does, because a rejected message would be lost.
	Reject
	// Leave keeps the message unacknowledged. The handler is called again, with
	// Redelivered set, after a pause that grows to ten seconds; the broker does not
	// count this as a delivery. When the connection ends or this process stops, the
	// broker delivers the message to another process. Until then the message
	// occupies a worker, so Leave is for outages that affect all messages, such as
	// that of the database.
	Leave
)

// Delivery is a message passed to a handler.
type Delivery struct {
	Body      []byte
	MessageID string
	// Reason is why the message was dead-lettered: rejected, delivery_limit,
	// expired or maxlen. It is empty in the work queue.
	Reason string
	// Redelivered means that the message may have been delivered before.
	Redelivered bool
}

// Handler handles a delivery. It is called concurrently. Its context ends when the
// process stops and the time to finish is over. It does not end when the connection is
// lost; the verdict then has no effect, and the message is delivered again, possibly
// while the handler still runs.
//
// A panic is recovered, logged and treated as Leave. The third panic over the same
// delivery of the work queue is treated as Reject, so that no message panics for ever.
// Messages that end the process are dead-lettered by the delivery limit.
type Handler func(ctx context.Context, d Delivery) Verdict

// consumer calls the handler of one queue. It outlives sessions. Its slots limit the
// number of concurrent handlers across sessions: handlers of a lost connection keep
// their slots when the next connection delivers the same messages.
type consumer struct {
	queue    string
	handler  Handler
	handlers *handlers
	slots    chan struct{}
	prefetch int
	last     bool // the dead-letter queue, which has no dead-letter queue itself
	log      *logrus.Entry
}

// subscribe consumes on conn until s is over. Handlers run with ctx.
func (c *consumer) subscribe(ctx context.Context, conn *rabbitmq.Conn, s *session, log rabbitmq.Logger) (*rabbitmq.Consumer, error) {
	consumer, err := rabbitmq.NewConsumer(conn, c.queue,
		rabbitmq.WithConsumerOptionsQueueNoDeclare,
		rabbitmq.WithConsumerOptionsConsumerName(clientName),
		rabbitmq.WithConsumerOptionsQOSPrefetch(c.prefetch),
		rabbitmq.WithConsumerOptionsConcurrency(cap(c.slots)),
		// The graceful close returns deliveries and receives them again, over and
		// over, until the last handler has returned; each time counts as a delivery.
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

// take handles a delivery until it is settled or over is closed; after that the broker
// delivers the message to another process. Unsettled messages return to the broker when
// the channel is closed, which counts as one delivery at most.
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

// try calls the handler once and settles the delivery. It reports false if the delivery
// was left and has to be handled again.
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
		// The connection has ended, so the message is delivered again.
		c.log.WithError(err).WithField("message_id", d.MessageId).Debug("Delivery could not be settled")
	}
	return true
}

// call calls the handler and recovers from a panic. The library does not, and a panic on
// its goroutine would end the process.
func (c *consumer) call(ctx context.Context, d *amqp.Delivery) (verdict Verdict, panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			c.log.WithFields(logrus.Fields{
				"message_id": d.MessageId,
				"panic":      fmt.Sprint(p),
				"stack":      string(debug.Stack()),
			}).Error("Message handler panicked")
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

// deathReason returns why a message was last dead-lettered, from the x-death header that
// the broker adds: https://www.rabbitmq.com/docs/dlx.
func deathReason(headers amqp.Table) string {
	deaths, _ := headers["x-death"].([]any)
	if len(deaths) == 0 {
		return ""
	}
	death, _ := deaths[0].(amqp.Table)
	reason, _ := death["reason"].(string)
	return reason
}
