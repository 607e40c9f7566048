package queue

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrUnavailable means that the broker is unreachable or did not confirm.
	ErrUnavailable = errors.New("message broker is unavailable")
	// ErrBlocked means that the broker accepts no messages at present because it is
	// short of memory or disk. It wraps ErrUnavailable.
	ErrBlocked = fmt.Errorf("%w: the broker has blocked publishing", ErrUnavailable)
	// ErrInvalidMessage means that a message can never be published.
	ErrInvalidMessage = errors.New("message cannot be published")
)

// maxBody is the maximum size of a message body in bytes. It is below any limit that a
// broker may have, because a message that the broker refuses ends the session.
const maxBody = 1 << 20

// Message is a message to publish: a JSON body of at most 1 MiB, and an id of at most
// 255 bytes. It is an alias, so that callers can pass their own type of this form
// without importing this package.
type Message = struct {
	ID   string
	Body []byte
}

func check(m Message) error {
	if len(m.ID) > maxShortString {
		return fmt.Errorf("%w: the id is longer than %d bytes", ErrInvalidMessage, maxShortString)
	}
	if len(m.Body) > maxBody {
		return fmt.Errorf("%w: the body is longer than %d bytes", ErrInvalidMessage, maxBody)
	}
	return nil
}

// Publish sends msgs to the work queue and waits for the broker. It returns one result
// per message, in order. Nil means that the broker has routed and stored the message.
// Any other result but ErrInvalidMessage means that the outcome is unknown: publish the
// message again, which may deliver it twice.
//
// Publish returns as soon as ctx ends. It returns immediately if there is no session
// (ErrUnavailable) or the broker is in alarm (ErrBlocked). Bodies may still be read
// after it returns, so do not modify them. It is safe for concurrent use and works
// while handlers are drained.
func (b *Broker) Publish(ctx context.Context, msgs []Message) []error {
	errs := make([]error, len(msgs))
	var valid []Message
	var places []int
	for i, m := range msgs {
		if errs[i] = check(m); errs[i] == nil {
			valid = append(valid, m)
			places = append(places, i)
		}
	}
	if len(valid) == 0 {
		return errs
	}
	for i, err := range b.publishValid(ctx, valid) {
		errs[places[i]] = err
	}
	return errs
}

func (b *Broker) publishValid(ctx context.Context, msgs []Message) []error {
	if err := ctx.Err(); err != nil {
		return all(len(msgs), fmt.Errorf("publish: %w", err))
	}
	s := b.session.Load()
	if s == nil {
		return all(len(msgs), ErrUnavailable)
	}
	return s.publisher.publish(ctx, msgs)
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
