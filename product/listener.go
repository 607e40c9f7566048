package product

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/sirupsen/logrus"
)

// Listener hears when rows are written to the outbox and to the event log, and
// wakes the relays and the tailer, one connection for the whole process. It is a
// hint beside their poll: what is said while it reconnects is lost.
type Listener struct {
	dsn    string
	log    *logrus.Logger
	wakes  map[Kind]chan struct{}
	events chan struct{}
}

// NewListener makes a listener on the database that dsn names.
func NewListener(dsn string, log *logrus.Logger) *Listener {
	l := &Listener{dsn: dsn, log: log, wakes: make(map[Kind]chan struct{}), events: make(chan struct{}, 1)}
	for _, kind := range []Kind{KindImageJob, KindDeleteObjects, KindInvalidate} {
		l.wakes[kind] = make(chan struct{}, 1)
	}
	return l
}

// Wake gives the channel that says that there may be rows of a kind. It is for
// one relay.
func (l *Listener) Wake(kind Kind) <-chan struct{} { return l.wakes[kind] }

// Events gives the channel that says that there may be new events. It is for one
// tailer.
func (l *Listener) Events() <-chan struct{} { return l.events }

// Run listens until ctx ends. It returns at once then, even if the connection
// hangs; what hangs ends with its socket.
func (l *Listener) Run(ctx context.Context) error {
	// The driver's events come with errors that may name the server, no more.
	events := func(event pq.ListenerEventType, err error) {
		switch event {
		case pq.ListenerEventConnectionAttemptFailed, pq.ListenerEventDisconnected:
			l.log.WithError(err).Info("outbox listener is not connected")
		case pq.ListenerEventConnected, pq.ListenerEventReconnected:
			l.log.Debug("outbox listener is connected")
		}
	}
	listener := pq.NewListener(withConnectTimeout(l.dsn), 200*time.Millisecond, 10*time.Second, events)
	// Listen, Ping and Close wait for the server, and for each other.
	go func() {
		_ = listener.Listen(notifyChannel)
		_ = listener.Listen(eventChannel)
	}()
	defer func() {
		go func() {
			_ = listener.Close()
			for range listener.Notify { // or it waits for us to the end
			}
		}()
	}()
	ping := time.NewTicker(30 * time.Second)
	defer ping.Stop()
	pinging := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case n, ok := <-listener.Notify:
			if !ok {
				return nil
			}
			l.heard(n)
		case <-ping.C:
			select {
			case pinging <- struct{}{}:
				go func() {
					_ = listener.Ping() // finds out that a silent connection is dead
					<-pinging
				}()
			default: // the last one still waits
			}
		}
	}
}

// heard wakes whom the notification is for; after a reconnection, when n is nil,
// all.
func (l *Listener) heard(n *pq.Notification) {
	if n == nil || n.Channel == eventChannel {
		signal(l.events)
	}
	for kind, wake := range l.wakes {
		if n == nil || n.Channel == notifyChannel && n.Extra == string(kind) {
			signal(wake)
		}
	}
}

// signal wakes the reader of a channel that has room for one signal. If there is
// one in it, the reader has been woken and did not look yet.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// withConnectTimeout adds a bound to a DSN that has none: the driver's listener
// takes only the text.
func withConnectTimeout(dsn string) string {
	cfg, err := pq.NewConfig(dsn)
	if err != nil || cfg.ConnectTimeout > 0 {
		return dsn
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " connect_timeout=3"
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	query := u.Query()
	query.Set("connect_timeout", "3")
	u.RawQuery = query.Encode()
	return u.String()
}
