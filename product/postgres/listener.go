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

// Listener hears what PostgreSQL notifies and wakes those who wait for it, over one
// connection for the whole process. It is a hint beside their poll: what is notified
// while it reconnects is lost, so it wakes everybody then.
type Listener struct {
	dsn   string
	log   *logrus.Logger
	wakes []wake
}

type wake struct {
	channel, payload string
	signal           chan struct{}
}

// NewListener returns a listener on the database that dsn names.
func NewListener(dsn string, log *logrus.Logger) *Listener { return &Listener{dsn: dsn, log: log} }

// Wake returns a channel for one reader, which signals after a notification of channel
// with payload; an empty payload stands for any. Call it before Run.
func (l *Listener) Wake(channel, payload string) <-chan struct{} {
	w := wake{channel: channel, payload: payload, signal: make(chan struct{}, 1)}
	l.wakes = append(l.wakes, w)
	return w.signal
}

// Run listens until ctx ends. It returns at once then, even if the connection
// hangs; what hangs ends with its socket.
func (l *Listener) Run(ctx context.Context) error {
	// The driver's events come with errors that may name the server, no more.
	events := func(event pq.ListenerEventType, err error) {
		switch event {
		case pq.ListenerEventConnectionAttemptFailed, pq.ListenerEventDisconnected:
			l.log.WithError(err).Info("Listener is not connected to PostgreSQL")
		case pq.ListenerEventConnected, pq.ListenerEventReconnected:
			l.log.Debug("Listener is connected to PostgreSQL")
		}
	}
	listener := pq.NewListener(withConnectTimeout(l.dsn), 200*time.Millisecond, 10*time.Second, events)
	// Listen, Ping and Close wait for the server, and for each other.
	go func() {
		for _, channel := range l.channels() {
			_ = listener.Listen(channel)
		}
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

// channels returns each channel once.
func (l *Listener) channels() (names []string) {
	for _, w := range l.wakes {
		if !slices.Contains(names, w.channel) {
			names = append(names, w.channel)
		}
	}
	return names
}

// heard wakes those who wait for a notification; nil, after a reconnection, wakes all.
func (l *Listener) heard(n *pq.Notification) {
	for _, w := range l.wakes {
		if n == nil || n.Channel == w.channel && (w.payload == "" || n.Extra == w.payload) {
			Signal(w.signal)
		}
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
