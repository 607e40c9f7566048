package queue_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

// acknowledge counts and acknowledges every delivery.
func acknowledge(seen *tally) queue.Handler {
	return func(_ context.Context, d queue.Delivery) queue.Verdict {
		seen.add(d.MessageID)
		return queue.Ack
	}
}

func TestStartsBeforeBroker(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	b := r.broker(1, p.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	testenv.Eventually(t, "a first attempt to fail", func() bool { return len(r.hook.AllEntries()) > 0 })
	if err := b.Check(t.Context()); err == nil {
		t.Error("Check is content without a broker")
	}

	p.listen(t)
	ready(t, b)
	msgs := messages(5)
	publish(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
}

func TestSecondURLServesWhenFirstIsDead(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	dead, alive := newProxy(t, r.url), newProxy(t, r.url)
	alive.listen(t)
	b := r.broker(1, dead.url, alive.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	ready(t, b)
	msgs := messages(5)
	publish(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })

	// The first comes back and the second goes.
	dead.listen(t)
	alive.refuse()
	alive.cut()
	msgs = messages(5)
	publishUntil(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
}

// A queue that somebody made with other properties is nothing to publish to.
func TestWaitsForForeignQueueToGo(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	if _, err := r.ch.QueueDeclare(r.work(), true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	b := r.broker(0)
	start(t, b)
	testenv.Eventually(t, "the log to name the queue", func() bool { return r.logged("declare queue " + r.work()) })
	if err := b.Check(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Check gave %v", err)
	}
	if _, err := r.ch.QueueDelete(r.work(), false, false, false); err != nil {
		t.Fatal(err)
	}
	ready(t, b)
	publish(t, b, messages(1))
}

func TestWrongPasswordIsNotLogged(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "not-the-password")
	r.url = u.String() // whose password the environment looks for in the log
	b := r.broker(0)
	start(t, b)
	testenv.Eventually(t, "the refusal", func() bool { return r.logged("403") })
	if err := b.Check(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Check gave %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	// It lends its certificate, which is valid for 127.0.0.1.
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	p.tls = &tls.Config{Certificates: server.TLS.Certificates}
	p.listen(t)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme, u.RawQuery = "amqps", url.Values{"cacertfile": {authority}}.Encode()
	b := r.broker(1, u.String())
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	ready(t, b)
	msgs := messages(5)
	publish(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
	p.cut()
	msgs = messages(5)
	publishUntil(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
}

// Handlers of a lost connection go on, and their messages come again: together
// they must not be more than the workers.
func TestHandlersAreBoundedAcrossReconnects(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	const workers = 3
	b := r.broker(workers, p.url)
	var running, most atomic.Int32
	began := make(chan struct{}, 1000)
	release := make(chan struct{})
	var seen tally
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		now := running.Add(1)
		defer running.Add(-1)
		for {
			old := most.Load()
			if now <= old || most.CompareAndSwap(old, now) {
				break
			}
		}
		began <- struct{}{}
		<-release
		seen.add(d.MessageID)
		return queue.Ack
	})
	start(t, b)
	ready(t, b)
	msgs := messages(10)
	publish(t, b, msgs)
	for range workers {
		testenv.Receive(t, "a handler to begin", began)
	}
	for range 3 {
		p.cut()
		// All of the messages are delivered again to the new session.
		testenv.Eventually(t, "a new session", func() bool {
			return b.Check(t.Context()) == nil && p.each(func(*pair) {}) == 3
		})
		testenv.Eventually(t, "redelivery", func() bool {
			depth, err := b.Depth(t.Context())
			return err == nil && depth == len(msgs)-workers
		})
	}
	close(release)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
	if got := most.Load(); got != workers {
		t.Errorf("%d handlers ran at once, want %d", got, workers)
	}
}
