package queue

import (
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"
)

// libraryLog receives the log messages of go-rabbitmq about one connection and writes
// them to the debug log. An error message also ends the session: it means that the
// library is about to reconnect or has given up.
type libraryLog struct {
	log  *logrus.Entry
	link *link
}

// Messages that the library logs at level info when a channel or its consumer has
// ended for good. Unless the session is closing, they are the only sign of it.
const (
	channelClosed   = "amqp channel closed gracefully"
	consumerStopped = "rabbit consumer goroutine closed"
)

func (c libraryLog) Fatalf(format string, args ...any) { c.trouble(format, args) }
func (c libraryLog) Errorf(format string, args ...any) { c.trouble(format, args) }
func (c libraryLog) Warnf(format string, args ...any)  { c.debug(format, args) }
func (c libraryLog) Debugf(format string, args ...any) { c.debug(format, args) }

func (c libraryLog) Infof(format string, args ...any) {
	if format == channelClosed || format == consumerStopped {
		c.trouble(format, args)
		return
	}
	c.debug(format, args)
}

func (c libraryLog) trouble(format string, args []any) {
	c.debug(format, args)
	if c.link.wanted() {
		return
	}
	err := fmt.Errorf("RabbitMQ client gave up: %w", errSessionOver)
	if cause := errorsIn(args); cause != nil {
		err = fmt.Errorf("RabbitMQ client gave up: %w", cause)
	}
	c.link.lost(err)
}

// debug logs a message with its errors only: other arguments may be broker URLs.
func (c libraryLog) debug(format string, args []any) {
	if !c.log.Logger.IsLevelEnabled(logrus.DebugLevel) {
		return
	}
	entry := c.log.WithField("event", format)
	if err := errorsIn(args); err != nil {
		entry = entry.WithError(err)
	}
	entry.Debug("RabbitMQ client message")
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
