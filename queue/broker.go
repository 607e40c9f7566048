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
	// The pauses between attempts to open a session.
	retryFirst   = 200 * time.Millisecond
	retryLongest = 3 * time.Second
	// healthyAfter is how long a session must have lasted for the pauses to
	// begin anew.
	healthyAfter = 10 * time.Second
	// stopGrace is what handlers get to return once their context has ended.
	stopGrace = 2 * time.Second
)

// Broker publishes to and consumes from one installation's queues on a RabbitMQ
// broker, whether or not that is there at the moment. Its methods are safe for
// concurrent use, but Handle and HandleDead belong before Run.
type Broker struct {
	cfg   Config
	names names
	log   *logrus.Entry

	ran       atomic.Bool
	session   atomic.Pointer[session] // nil while there is none
	created   atomic.Pointer[time.Time]
	handlers  *handlers
	consumers []*consumer
	settled   sync.Once
}

// New gives a broker that does nothing until Run.
func New(cfg Config, log *logrus.Logger) *Broker {
	return &Broker{
		cfg:      cfg,
		names:    namesFor(cfg.Prefix),
		log:      log.WithField("queue", namesFor(cfg.Prefix).work),
		handlers: newHandlers(),
	}
}

// Handle sets the handler of the work queue. Config.Workers of it run at once in
// this process. With nil, or without workers, the queue is not consumed here.
func (b *Broker) Handle(h Handler) {
	b.consume(b.names.work, h, b.cfg.Workers, b.cfg.Workers, false)
}

// HandleDead sets the handler of the dead-letter queue, which takes one message at
// a time. With nil the queue is not consumed here. A dead letter leaves the queue
// only by Ack.
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
// returns an error at once if the configuration is invalid or if it was called
// before; a broker that is out of reach is none.
//
// When ctx ends the contexts of running handlers end with it. They get two seconds
// to return, and the connections two more to close. Whoever wants to stop more
// gently calls Drain first.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.cfg.Validate(); err != nil {
		return fmt.Errorf("queue configuration: %w", err)
	}
	if b.ran.Swap(true) {
		return errors.New("queue: Run was called before")
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
		b.log.WithError(err).WithField("retry_in_ms", wait.Milliseconds()).Warn("no session with the message broker")
		sleep(ctx, wait)
	}
	b.settle()
	return nil
}

// settle stops the handlers, whose contexts have ended, and waits for them for a
// moment.
func (b *Broker) settle() {
	b.settled.Do(func() {
		b.handlers.stop()
		await(b.handlers.idle, stopGrace)
	})
}

var errNotOpened = errors.New("session could not be opened")

// runSession keeps one session until it is over or ctx ends.
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
		// Drain may have looked for a session before this one was there.
		s.consuming.close()
	}
	s.log.Info("session with the message broker opened")
	err := s.watch(ctx)
	if ctx.Err() != nil {
		b.settle() // while there is a connection to acknowledge on
	}
	return err
}

// Drain stops consuming: no handler starts from now on, in this session and all
// that follow. It waits for the handlers that run until ctx ends; then it ends
// their contexts and waits two seconds more. What is not settled by then goes back
// to the broker. Publishing goes on. It gives an error if handlers had to be
// interrupted. It may be called again.
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

// Check tells whether messages can be published: nil, ErrUnavailable or
// ErrBlocked. It asks no one and returns at once; a session that is broken
// unnoticed is noticed within 20 seconds.
func (b *Broker) Check(ctx context.Context) error {
	s := b.session.Load()
	if s == nil {
		return ErrUnavailable
	}
	return s.publisher.paused(ctx)
}

// Depth counts the messages that wait in the work queue, without those that have
// been delivered and not been acknowledged yet.
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

// Created is when this process last made the work queue because there was none, or
// the zero time. What was published before is not in that queue: the broker has
// lost it, unless it is the first queue of all. Of the processes that share the
// queue only those know that were the first to miss it.
func (b *Broker) Created() time.Time {
	if at := b.created.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func (b *Broker) noteCreation() {
	now := time.Now()
	b.created.Store(&now)
	b.log.Info("work queue made, there was none")
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
