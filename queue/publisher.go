package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/wagslane/go-rabbitmq"
)

// pauseCheck is how often a waiting publish checks whether the broker has blocked the
// connection.
const pauseCheck = 100 * time.Millisecond

// publisher is the publishing connection of a session.
type publisher struct {
	link  *link
	over  <-chan struct{}
	names names

	conn *rabbitmq.Conn
	pub  *rabbitmq.Publisher
	turn chan struct{} // one batch is written at a time

	mu       sync.Mutex
	lastID   uint64
	batches  map[uint64]*batch // not settled yet
	pausedAt time.Time         // when the broker was last seen blocking us
}

func newPublisher(l *link, over <-chan struct{}, n names) *publisher {
	return &publisher{
		link:    l,
		over:    over,
		names:   n,
		turn:    make(chan struct{}, 1),
		batches: make(map[uint64]*batch),
	}
}

func (p *publisher) open(urls []string, options func(*rabbitmq.ConnectionOptions), log rabbitmq.Logger) error {
	var err error
	if p.conn, err = rabbitmq.NewClusterConn(rabbitmq.NewStaticResolver(urls, false), options); err != nil {
		return fmt.Errorf("connect to publish: %w", err)
	}
	if err := p.link.seal(); err != nil {
		return fmt.Errorf("connect to publish: %w", err)
	}
	if p.pub, err = rabbitmq.NewPublisher(p.conn, rabbitmq.WithPublisherOptionsLogger(log)); err != nil {
		return fmt.Errorf("open publisher: %w", err)
	}
	p.pub.NotifyReturn(p.takeReturn)
	// This enables confirms, as WithPublisherOptionsConfirm would. That option leaks
	// goroutines if the connection ends at this point.
	p.pub.NotifyPublish(func(rabbitmq.Confirmation) {})
	return nil
}

// publish sends msgs and returns one result per message: nil if the broker has routed
// and stored it, else an error that means "unknown, publish again".
func (p *publisher) publish(ctx context.Context, msgs []Message) []error {
	b, err := p.write(ctx, msgs)
	if err != nil {
		return all(len(msgs), err)
	}
	if err := p.wait(ctx, b.fence); err != nil {
		return all(len(msgs), err)
	}
	errs := make([]error, len(msgs))
	var gaveUp error
	for i, confirm := range b.confirms {
		if gaveUp == nil {
			gaveUp = p.wait(ctx, confirm.Done())
		}
		switch {
		case p.wasReturned(b, i):
			errs[i] = fmt.Errorf("%w: broker returned the message: its queue is missing", ErrUnavailable)
		case confirm.Acked():
		case gaveUp != nil:
			errs[i] = gaveUp
		default:
			errs[i] = fmt.Errorf("%w: message was not confirmed", ErrUnavailable)
		}
	}
	return errs
}

// write sends msgs and their fence. Writing to the socket cannot be cancelled, so it
// happens on a separate goroutine, which ends with the session at the latest. Only one
// such goroutine writes at a time.
func (p *publisher) write(ctx context.Context, msgs []Message) (*batch, error) {
	if err := p.paused(ctx); err != nil {
		return nil, err
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.over:
		return nil, ErrUnavailable
	}
	b := p.begin(len(msgs))
	done := make(chan error, 1)
	go func() {
		defer func() { <-p.turn }()
		confirms, err := p.send(ctx, b.id, msgs)
		p.sent(b, confirms, err)
		done <- err
	}()
	select {
	case err := <-done:
		return b, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.over:
		return nil, ErrUnavailable
	}
}

func (p *publisher) send(ctx context.Context, id uint64, msgs []Message) ([]*amqp.DeferredConfirmation, error) {
	confirms := make([]*amqp.DeferredConfirmation, 0, len(msgs))
	for i, m := range msgs {
		confirm, err := p.sendOne(ctx, p.names.work, m, correlation(id, i))
		if err != nil {
			return nil, err
		}
		confirms = append(confirms, confirm)
	}
	_, err := p.sendOne(ctx, p.names.fence, Message{}, correlation(id, len(msgs)))
	return confirms, err
}

func (p *publisher) sendOne(ctx context.Context, key string, m Message, correlation string) (*amqp.DeferredConfirmation, error) {
	confirms, err := p.pub.PublishWithDeferredConfirmWithContext(ctx, m.Body, []string{key},
		rabbitmq.WithPublishOptionsPersistentDelivery,
		rabbitmq.WithPublishOptionsMandatory,
		rabbitmq.WithPublishOptionsMessageID(m.ID),
		rabbitmq.WithPublishOptionsContentType("application/json"),
		rabbitmq.WithPublishOptionsCorrelationID(correlation),
	)
	if err != nil {
		return nil, p.blame(ctx, err)
	}
	if len(confirms) != 1 || confirms[0] == nil {
		return nil, p.blame(ctx, errors.New("channel is not in confirm mode"))
	}
	return confirms[0], nil
}

// wait waits until done is closed. It returns nil if done is closed, even if ctx has
// ended too.
func (p *publisher) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
	}
	look := time.NewTicker(pauseCheck)
	defer look.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for confirm: %w", ctx.Err())
		case <-p.over:
			return fmt.Errorf("%w: session ended before the confirm", ErrUnavailable)
		case <-look.C:
			if err := p.paused(ctx); err != nil {
				return err
			}
		}
	}
}

// paused returns an error if the broker has blocked the connection. Only the library
// knows; publishing with no routing key asks it without sending anything.
func (p *publisher) paused(ctx context.Context) error {
	_, err := p.pub.PublishWithDeferredConfirmWithContext(ctx, nil, nil)
	if err == nil {
		return nil
	}
	return p.blame(ctx, err)
}

// blame translates an error of the library for the caller, and ends the session if the
// error is one of the connection or its channel.
func (p *publisher) blame(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, rabbitmq.ErrPublishBlocked), errors.Is(err, rabbitmq.ErrPublishFlowPaused):
		return ErrBlocked
	case ctx.Err() != nil:
		return fmt.Errorf("publish: %w", ctx.Err())
	}
	p.link.lost(err)
	return fmt.Errorf("%w: publish: %w", ErrUnavailable, err)
}

func (p *publisher) close() {
	p.link.close(func() {
		if p.pub != nil {
			p.pub.Close()
		}
		if p.conn != nil {
			_ = p.conn.Close() // an error means that it is already closed
		}
	})
}
