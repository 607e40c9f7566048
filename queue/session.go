package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sirupsen/logrus"
	"github.com/wagslane/go-rabbitmq"
)

const (
	// clientName is the name of connections and consumers in the broker's tools.
	clientName = "vitrine"

	heartbeat = 10 * time.Second
	// callTimeout bounds the calls to the broker: all of them together while a
	// session is opened, and each one afterwards. It leaves time for a queue to
	// elect a new leader.
	callTimeout = 10 * time.Second
	// watchEvery is how often a session checks its publisher. After declareEvery
	// checks it declares the topology again, so that a deleted queue or binding is
	// restored within seconds.
	watchEvery   = time.Second
	declareEvery = 5
	// neverReconnect keeps the library from reconnecting: a new session does that.
	neverReconnect = 24 * time.Hour
)

// session is one set of connections to the broker. It is over as soon as any of them
// fails.
type session struct {
	log  *logrus.Entry
	over chan struct{} // closed when the session is over

	once  sync.Once
	cause error // set before over is closed

	control   *control
	publisher *publisher
	consuming *consuming
}

// newSession returns a session that is not open yet. created is called whenever the
// session has created a missing work queue.
func newSession(n names, log *logrus.Entry, created func()) *session {
	s := &session{log: log, over: make(chan struct{})}
	s.control = newControl(&link{lost: s.fail}, s.over, n, created)
	s.publisher = newPublisher(&link{lost: s.fail}, s.over, n)
	s.consuming = &consuming{link: &link{lost: s.fail}}
	return s
}

// fail ends the session and keeps the first cause. It is safe for concurrent use.
func (s *session) fail(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.over)
	})
}

// open connects, declares the topology, and opens the publisher and the consumers, whose
// handlers run with work. It returns when ctx ends, and always within a time limit that
// grows with the number of urls. After an error the session must still be closed.
func (s *session) open(ctx, work context.Context, urls []string, consumers []*consumer) error {
	limit := callTimeout + 3*time.Duration(len(urls))*2*dialTimeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Closing the sockets ends calls that take no context.
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()

	found, err := s.control.open(ctx, urls, connection(ctx, s.control.link, "control"))
	if err != nil {
		return err
	}
	// The other connections try the node that has just responded first.
	urls = append(append([]string{}, urls[found:]...), urls[:found]...)
	if err := s.control.declare(ctx); err != nil {
		return err
	}
	link, log := s.publisher.link, libraryLog{s.log, s.publisher.link}
	if err := s.publisher.open(urls, options(ctx, link, "publish", log), log); err != nil {
		return err
	}
	if len(consumers) > 0 {
		link, log := s.consuming.link, libraryLog{s.log, s.consuming.link}
		if err := s.consuming.open(work, urls, options(ctx, link, "consume", log), consumers, s, log); err != nil {
			return err
		}
	}
	if !stop() {
		return fmt.Errorf("open session: %w", context.Cause(ctx))
	}
	s.log = s.log.WithField("broker", address(urls[0]))
	return nil
}

// watch blocks until the session is over and returns the cause, or until ctx ends and
// returns nil.
func (s *session) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		select {
		case <-ctx.Done():
			return nil
		case <-s.over:
			return s.cause
		case <-ticker.C:
		}
		if s.publisher.stalled(s.publisher.paused(ctx) != nil) {
			s.fail(errors.New("confirms are overdue"))
		}
		if looks%declareEvery == 0 {
			s.declare(ctx)
		}
	}
}

func (s *session) declare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.control.declare(ctx)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.fail(fmt.Errorf("declare topology again: %w", err))
	}
}

func (s *session) cut() {
	s.control.link.cut()
	s.publisher.link.cut()
	s.consuming.link.cut()
}

// close closes the connections within twice closeTimeout. Calls that wait for the
// session return first.
func (s *session) close() {
	s.fail(errSessionOver)
	var parts sync.WaitGroup
	parts.Go(s.consuming.close)
	parts.Go(s.publisher.close)
	parts.Go(s.control.close)
	parts.Wait()
}

// connection configures an AMQP connection over link.
func connection(ctx context.Context, l *link, role string) amqp.Config {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(clientName + " " + role)
	return amqp.Config{
		Heartbeat:  heartbeat,
		Dial:       l.dialer(ctx),
		Properties: properties,
	}
}

func options(ctx context.Context, l *link, role string, log rabbitmq.Logger) func(*rabbitmq.ConnectionOptions) {
	return func(o *rabbitmq.ConnectionOptions) {
		o.Config = rabbitmq.Config(connection(ctx, l, role))
		o.Logger = log
		o.BaseReconnectInterval = neverReconnect
	}
}

func orOver(err error) error {
	if err == nil {
		return errSessionOver
	}
	return err
}
