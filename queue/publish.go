package queue

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrUnavailable says that the broker is out of reach, or did not confirm.
	ErrUnavailable = errors.New("message broker is unavailable")
	// ErrBlocked says that the broker takes no messages for now, because it is
	// short of memory or disk. It is an ErrUnavailable.
	ErrBlocked = fmt.Errorf("%w: it has blocked publishing", ErrUnavailable)
	// ErrInvalidMessage says that a message can never be published.
	ErrInvalidMessage = errors.New("message cannot be published")
)

// maxBody keeps a message, in bytes, below every limit that a broker may have: one
// that it refuses costs the session.
const maxBody = 1 << 20

// Message is what Publish sends: a JSON body of at most 1 MiB, and an id of at
// most 255 bytes that names the message for whoever reads it. It is an alias, so
// that a sender's own messages of this form can be sent as they are.
type Message = struct {
	ID   string
	Body []byte
}

func check(m Message) error {
	if len(m.ID) > maxShortString {
		return fmt.Errorf("%w: its id is longer than %d bytes", ErrInvalidMessage, maxShortString)
	}
	if len(m.Body) > maxBody {
		return fmt.Errorf("%w: its body is longer than %d bytes", ErrInvalidMessage, maxBody)
	}
	return nil
}

// Publish sends msgs to the work queue and waits for the broker. It gives one
// result a message, in order: nil says that the broker has routed and stored it.
// Every other result but ErrInvalidMessage means that nobody knows: the message
// is to be published again, and may then be delivered twice.
//
// Publish returns as soon as ctx ends, and at once without a session
// (ErrUnavailable) or while the broker is in alarm (ErrBlocked); bodies may be
// read for a while yet, so they are not to be changed. It is safe for concurrent
// use and works while handlers are drained.
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
