package queue

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// control is the control connection of a session. It declares the topology and queries
// it. It never publishes, so a broker in alarm still serves it.
type control struct {
	link  *link
	over  <-chan struct{}
	names names

	conn    *amqp.Connection
	ch      *amqp.Channel
	look    *amqp.Channel // to look for the work queue; nil until first used
	turn    chan struct{} // one call at a time: responses on a channel have no ids
	created func()        // called when declare has created a missing work queue
}

func newControl(l *link, over <-chan struct{}, n names, created func()) *control {
	return &control{link: l, over: over, names: n, turn: make(chan struct{}, 1), created: created}
}

// open connects to the first of urls that responds and returns its index.
func (c *control) open(ctx context.Context, urls []string, cfg amqp.Config) (int, error) {
	var errs []error
	for i, url := range urls {
		conn, err := amqp.DialConfig(url, cfg)
		if err != nil {
			errs = append(errs, fmt.Errorf("broker URL %d (%s): %w", i+1, address(url), err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		c.conn = conn
		if err := c.link.seal(); err != nil {
			return 0, err
		}
		if c.ch, err = conn.Channel(); err != nil {
			return 0, fmt.Errorf("open channel: %w", err)
		}
		return i, nil
	}
	return 0, errors.Join(errs...)
}

// declare creates the missing parts of the topology.
func (c *control) declare(ctx context.Context) error {
	return c.do(ctx, func(ch *amqp.Channel) error {
		missing := c.workMissing()
		err := declare(ch, c.names)
		if err == nil && missing {
			c.created()
		}
		return err
	})
}

// workMissing reports whether the work queue does not exist. Other errors are left to the
// declaration that follows. The broker closes the channel on which a missing queue is
// looked for, so this uses a separate channel.
func (c *control) workMissing() bool {
	if c.look == nil {
		ch, err := c.conn.Channel()
		if err != nil {
			return false
		}
		c.look = ch
	}
	_, err := c.look.QueueDeclarePassive(c.names.work, true, false, false, false, nil)
	if err == nil {
		return false
	}
	_ = c.look.Close() // an error means that it is already closed
	c.look = nil
	var refusal *amqp.Error
	return errors.As(err, &refusal) && refusal.Code == amqp.NotFound
}

// inspect returns what the broker knows of the work queue: how many messages are ready
// and how many consumers it has.
func (c *control) inspect(ctx context.Context) (amqp.Queue, error) {
	answer := make(chan amqp.Queue, 1)
	err := c.do(ctx, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(c.names.work, true, false, false, false, nil)
		answer <- q
		return err
	})
	if err != nil {
		return amqp.Queue{}, err
	}
	return <-answer, nil
}

// do makes a call on the channel. It returns when ctx or the session ends, even if the
// call blocks. An abandoned call ends with the session at the latest, and there is never
// more than one. A failed call ends the session, because it closes the channel.
func (c *control) do(ctx context.Context, call func(*amqp.Channel) error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.over:
		return ErrUnavailable
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-c.turn }()
		err := call(c.ch)
		if err != nil {
			c.link.lost(err)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *control) close() {
	c.link.close(func() {
		if c.conn != nil {
			_ = c.conn.Close() // an error means that it is already closed
		}
	})
}
