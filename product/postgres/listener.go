package postgres

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/sirupsen/logrus"
)

// Listener receives PostgreSQL notifications over one connection for the whole process
// and signals the loops that wait for them. Notifications only shorten the wait until
// the next poll: those sent during a reconnection are lost, so every loop is signalled
// afterwards.
type Listener struct {
	dsn   string
	log   *logrus.Logger
	wakes []wake
}

type wake struct {
	channel, payload string
	signal           chan struct{}
}

// NewListener returns a listener on the database at dsn.
func NewListener(dsn string, log *logrus.Logger) *Listener { return &Listener{dsn: dsn, log: log} }

// Wake returns a channel for one reader that receives a signal after each notification
// of channel with payload; an empty payload matches any. Call Wake before Run.
func (l *Listener) Wake(channel, payload string) <-chan struct{} {
	w := wake{channel: channel, payload: payload, signal: make(chan struct{}, 1)}
	l.wakes = append(l.wakes, w)
	return w.signal
}

// Run listens until ctx ends, and then returns at once, even if the connection hangs.
func (l *Listener) Run(ctx context.Context) error {
	// The errors of the driver's events contain the server's address at most, never
	// the password.
	events := func(event pq.ListenerEventType, err error) {
		switch event {
		case pq.ListenerEventConnectionAttemptFailed, pq.ListenerEventDisconnected:
			l.log.WithError(err).Info("Listener is not connected to PostgreSQL")
		case pq.ListenerEventConnected, pq.ListenerEventReconnected:
			l.log.Debug("Listener is connected to PostgreSQL")
		}
	}
	listener := pq.NewListener(withConnectTimeout(l.dsn), 200*time.Millisecond, 10*time.Second, events)
	// Listen, Ping and Close block on the server and on each other.
	go func() {
		for _, channel := range l.channels() {
			_ = listener.Listen(channel)
		}
	}()
	defer func() {
		go func() {
			_ = listener.Close()
			for range listener.Notify { // unread notifications would block Close
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
					_ = listener.Ping() // detects a dead connection
					<-pinging
				}()
			default: // the previous ping has not returned
			}
		}
	}
}

// channels returns each channel once.
func (l *Listener) channels() (names []string) {
	for _, w := range l.wakes {
		if !slices.Contains(names, w.channel) {
			names = append(names, w.channel)
		}
	}
	return names
}

// heard signals the readers of a notification; nil, sent after a reconnection, signals
// all readers.
func (l *Listener) heard(n *pq.Notification) {
	for _, w := range l.wakes {
		if n == nil || n.Channel == w.channel && (w.payload == "" || n.Extra == w.payload) {
			Signal(w.signal)
		}
	}
}

// withConnectTimeout adds a connect timeout to a DSN that has none. The driver's
// listener accepts a DSN only, no connector.
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
