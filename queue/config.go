package queue

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxShortString is the longest name, in bytes, that AMQP 0-9-1 can carry
// (section 4.2.5.3, short strings).
const maxShortString = 255

// Config configures a Broker.
type Config struct {
	// URLs are the nodes of one broker, with scheme amqp or amqps, in the order in
	// which to try them. See https://www.rabbitmq.com/docs/uri-spec.
	URLs []string
	// Prefix begins the names of all queues and exchanges, so that installations
	// can share a broker.
	Prefix string
	// Workers is the maximum number of concurrent handlers of the work queue in
	// this process. With 0 it does not consume the work queue.
	Workers int
}

// Validate returns all errors in c, joined. They never contain a user name or a
// password.
func (c Config) Validate() error {
	var errs []error
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("no broker URL is set"))
	}
	for i, raw := range c.URLs {
		if err := checkURL(raw); err != nil {
			errs = append(errs, fmt.Errorf("broker URL %d (%s) %w", i+1, address(raw), err))
		}
	}
	switch {
	case len(namesFor(c.Prefix).longest()) > maxShortString:
		errs = append(errs, fmt.Errorf("queue prefix is too long: names may have %d bytes", maxShortString))
	case !utf8.ValidString(c.Prefix):
		errs = append(errs, errors.New("queue prefix is not valid UTF-8"))
	case strings.HasPrefix(c.Prefix, "amq."):
		errs = append(errs, errors.New("queue prefix must not begin with amq., which is reserved by the broker"))
	}
	if c.Workers < 0 || c.Workers > math.MaxUint16 {
		errs = append(errs, fmt.Errorf("number of workers is %d, must be from 0 to %d", c.Workers, math.MaxUint16))
	}
	return errors.Join(errs...)
}

// checkURL returns an error if the URL is invalid. It drops the text of parse errors,
// which quote the URL, or a piece of a password that was parsed as a port.
func checkURL(raw string) error {
	_, err := amqp.ParseURI(raw)
	var parse *url.Error
	if errors.As(err, &parse) {
		return errors.New("cannot be parsed: percent-encode reserved characters in the user name and password")
	}
	if err != nil {
		return fmt.Errorf("is not valid: %w", err)
	}
	return nil
}

// address returns the host and port of a broker's URL, which are safe to log. It works
// for URLs that cannot be parsed too.
func address(raw string) string {
	_, rest, found := strings.Cut(raw, "://")
	if !found {
		return "no scheme"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	} else if _, err := url.Parse(raw); err != nil {
		// Without an @, any part may be the password.
		return "no host"
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
