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

// Config says where the broker is and how much of its queue this process takes.
type Config struct {
	// URLs name the nodes of one broker, scheme amqp or amqps, in the order in
	// which they are tried. See https://www.rabbitmq.com/docs/uri-spec.
	URLs []string
	// Prefix begins every name on the broker, so that several installations can
	// share it.
	Prefix string
	// Workers is the greatest number of handlers of the work queue that run at
	// once in this process. With 0 the work queue is not consumed.
	Workers int
}

// Validate names everything that is wrong with c at once. It never shows a
// user name or a password.
func (c Config) Validate() error {
	var errs []error
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("no broker URL is given"))
	}
	for i, raw := range c.URLs {
		if err := checkURL(raw); err != nil {
			errs = append(errs, fmt.Errorf("broker URL %d (%s) %w", i+1, address(raw), err))
		}
	}
	switch {
	case len(namesFor(c.Prefix).longest()) > maxShortString:
		errs = append(errs, errors.New("queue prefix is too long"))
	case !utf8.ValidString(c.Prefix):
		errs = append(errs, errors.New("queue prefix is not valid UTF-8"))
	case strings.HasPrefix(c.Prefix, "amq."):
		errs = append(errs, errors.New("queue prefix begins with amq., which the broker keeps for itself"))
	}
	if c.Workers < 0 || c.Workers > math.MaxUint16 {
		errs = append(errs, fmt.Errorf("number of workers %d is not within 0 to %d", c.Workers, math.MaxUint16))
	}
	return errors.Join(errs...)
}

// checkURL never passes on the text of a parse error: it quotes the URL, or the
// piece of a password that was taken for a port.
func checkURL(raw string) error {
	_, err := amqp.ParseURI(raw)
	var parse *url.Error
	if errors.As(err, &parse) {
		return errors.New("cannot be parsed: are reserved characters in its user name and password percent-encoded?")
	}
	if err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	return nil
}

// address is what may be shown of a broker's URL: its host and port. It works on
// URLs that cannot be parsed too.
func address(raw string) string {
	_, rest, found := strings.Cut(raw, "://")
	if !found {
		return "no scheme"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	} else if _, err := url.Parse(raw); err != nil {
		// Without an @ anything may be meant to be the password.
		return "no host"
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
