package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sirupsen/logrus"
)

const (
	// The shortest and the longest pause between attempts to open a session.
	retryFirst   = 200 * time.Millisecond
	retryLongest = 3 * time.Second
	// healthyAfter is how long a session must last to reset the pauses.
	healthyAfter = 10 * time.Second
	// stopGrace is how long handlers may take to return after their context ends.
	stopGrace = 2 * time.Second
)

// Broker publishes to and consumes from one installation's queues on a RabbitMQ
// broker, and reconnects whenever the broker is unreachable. Its methods are safe for
// concurrent use, except that Handle and HandleDead must be called before Run.
type Broker struct {
	cfg   Config
	names names
	log   *logrus.Entry

	ran       atomic.Bool
	session   atomic.Pointer[session] // nil between sessions
	created   atomic.Pointer[time.Time]
	handlers  *handlers
	consumers []*consumer
	settled   sync.Once
}

// New returns a broker. It does nothing until Run.
func New(cfg Config, log *logrus.Logger) *Broker {
	return &Broker{
		cfg:      cfg,
		names:    namesFor(cfg.Prefix),
		log:      log.WithField("queue", namesFor(cfg.Prefix).work),
		handlers: newHandlers(),
	}
}

// Handle sets the handler of the work queue, which is called on up to Config.Workers
// goroutines. With a nil handler or no workers this process does not consume the queue.
func (b *Broker) Handle(h Handler) {
	b.consume(b.names.work, h, b.cfg.Workers, b.cfg.Workers, false)
}

// HandleDead sets the handler of the dead-letter queue, which is called for one message
// at a time. With a nil handler this process does not consume the queue. Only Ack
// removes a message from the dead-letter queue.
func (b *Broker) HandleDead(h Handler) { b.consume(b.names.dead, h, 1, deadPrefetch, true) }

func (b *Broker) consume(queue string, h Handler, workers, prefetch int, last bool) {
	if h == nil || workers < 1 {
		return
	}
	b.consumers = append(b.consumers, &consumer{
		queue:    queue,
		handler:  h,
		handlers: b.handlers,
		slots:    make(chan struct{}, workers),
		prefetch: prefetch,
		last:     last,
		log:      b.log.WithField("queue", queue),
	})
}

// Run keeps a session with the broker until ctx ends, and then returns nil. It
// returns an error only if the configuration is invalid or Run was called before; it
// retries for as long as the broker is unreachable.
//
// The contexts of running handlers end with ctx. The handlers then have two seconds to
// return, and the connections two more to close. Call Drain first for a graceful stop.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.cfg.Validate(); err != nil {
		return fmt.Errorf("queue configuration: %w", err)
	}
	if b.ran.Swap(true) {
		return errors.New("queue: Run may be called only once")
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	b.handlers.cancelWith(cancel)

	pause := backoff{first: retryFirst, longest: retryLongest}
	for ctx.Err() == nil {
		begun := time.Now()
		err := b.runSession(ctx, work)
		if ctx.Err() != nil {
			break
		}
		if time.Since(begun) > healthyAfter && !errors.Is(err, errNotOpened) {
			pause.reset()
		}
		wait := pause.next()
		b.log.WithError(err).WithField("retry_in_ms", wait.Milliseconds()).Warn("Message broker session failed, retrying")
		sleep(ctx, wait)
	}
	b.settle()
	return nil
}

// settle stops the handlers, whose contexts have ended, and waits up to stopGrace for
// them.
func (b *Broker) settle() {
	b.settled.Do(func() {
		b.handlers.stop()
		await(b.handlers.idle, stopGrace)
	})
}

var errNotOpened = errors.New("session could not be opened")

// runSession opens a session and blocks until it is over or ctx ends.
func (b *Broker) runSession(ctx, work context.Context) error {
	s := newSession(b.names, b.log, b.noteCreation)
	defer s.close()
	consumers := b.consumers
	if b.handlers.areStopping() {
		consumers = nil
	}
	if err := s.open(ctx, work, b.cfg.URLs, consumers); err != nil {
		return fmt.Errorf("%w: %w", errNotOpened, err)
	}
	b.session.Store(s)
	defer b.session.Store(nil)
	if b.handlers.areStopping() {
		// Drain may have run just before this session was stored.
		s.consuming.close()
	}
	s.log.Info("Message broker session opened")
	err := s.watch(ctx)
	if ctx.Err() != nil {
		b.settle() // while there still is a connection to acknowledge on
	}
	return err
}

// Drain stops consuming for good: no handler starts from now on. It waits for running
// handlers until ctx ends; then it ends their contexts and waits two seconds more.
// Messages that are not settled by then return to the broker. Publishing continues.
// Drain returns an error if it had to interrupt handlers. It may be called again.
func (b *Broker) Drain(ctx context.Context) error {
	b.handlers.stop()
	var err error
	select {
	case <-b.handlers.idle:
	case <-ctx.Done():
		if left := b.handlers.left(); left > 0 {
			err = fmt.Errorf("drain: %d handlers interrupted: %w", left, ctx.Err())
		}
		b.handlers.interrupt()
		await(b.handlers.idle, stopGrace)
	}
	if s := b.session.Load(); s != nil {
		s.consuming.close()
	}
	return err
}

// Check returns nil if messages can be published, else ErrUnavailable or ErrBlocked. It
// makes no call to the broker; a broken connection is noticed within 20 seconds.
func (b *Broker) Check(ctx context.Context) error {
	s := b.session.Load()
	if s == nil {
		return ErrUnavailable
	}
	return s.publisher.paused(ctx)
}

// Depth returns the number of messages waiting in the work queue, not counting those
// that are delivered and not yet acknowledged.
func (b *Broker) Depth(ctx context.Context) (int, error) {
	q, err := b.inspect(ctx)
	return q.Messages, err
}

// Consumers returns how many processes consume the work queue.
func (b *Broker) Consumers(ctx context.Context) (int, error) {
	q, err := b.inspect(ctx)
	return q.Consumers, err
}

func (b *Broker) inspect(ctx context.Context) (amqp.Queue, error) {
	s := b.session.Load()
	if s == nil {
		return amqp.Queue{}, ErrUnavailable
	}
	return s.control.inspect(ctx)
}

// Created returns when this process last created the work queue because it was missing,
// or the zero time. Messages published before that are not in the queue: the broker has
// lost them, unless the queue never existed before. Other processes that share the queue
// may not have noticed that it was missing.
func (b *Broker) Created() time.Time {
	if at := b.created.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func (b *Broker) noteCreation() {
	now := time.Now()
	b.created.Store(&now)
	b.log.Info("Missing work queue created")
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
