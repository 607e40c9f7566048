package queue

import (
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"
)

// chatter takes what go-rabbitmq says about one connection. The words go to the
// debug log. What matters is that the library says so: it would begin to mend
// things by itself, or has given up, and either way the session is over.
type chatter struct {
	log  *logrus.Entry
	link *link
}

// Said at level info when a channel or its consumer is gone for good. Uninvited
// they are the only sign of it: the library has stopped to look after it.
const (
	saidChannelClosed   = "amqp channel closed gracefully"
	saidConsumerStopped = "rabbit consumer goroutine closed"
)

func (c chatter) Fatalf(format string, args ...any) { c.trouble(format, args) }
func (c chatter) Errorf(format string, args ...any) { c.trouble(format, args) }
func (c chatter) Warnf(format string, args ...any)  { c.debug(format, args) }
func (c chatter) Debugf(format string, args ...any) { c.debug(format, args) }

func (c chatter) Infof(format string, args ...any) {
	if format == saidChannelClosed || format == saidConsumerStopped {
		c.trouble(format, args)
		return
	}
	c.debug(format, args)
}

func (c chatter) trouble(format string, args []any) {
	c.debug(format, args)
	if c.link.wanted() {
		return
	}
	err := fmt.Errorf("amqp library gave up: %w", errSessionOver)
	if cause := errorsIn(args); cause != nil {
		err = fmt.Errorf("amqp library gave up: %w", cause)
	}
	c.link.lost(err)
}

// debug leaves out all arguments but errors: among the others are broker URLs.
func (c chatter) debug(format string, args []any) {
	if !c.log.Logger.IsLevelEnabled(logrus.DebugLevel) {
		return
	}
	entry := c.log.WithField("event", format)
	if err := errorsIn(args); err != nil {
		entry = entry.WithError(err)
	}
	entry.Debug("amqp library speaks")
}

func errorsIn(args []any) error {
	var errs []error
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
