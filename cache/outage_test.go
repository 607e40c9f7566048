package cache_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/cache"
)

// calls are all that go to Redis.
func calls(c *cache.Cache) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"get":     func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		"fill":    func(ctx context.Context) error { return c.Fill(ctx, "k", "lTOKEN", []byte("v")) },
		"forbid":  func(ctx context.Context) error { _, err := c.Forbid(ctx, "k"); return err },
		"replace": func(ctx context.Context) error { return c.Replace(ctx, "k", "tTOKEN", []byte("v")) },
		"drop":    func(ctx context.Context) error { return c.Drop(ctx, "k") },
		"consume": func(ctx context.Context) error {
			_, _, err := c.Consume(ctx, []string{"k"}, []int{1}, []int{0}, []time.Duration{time.Second})
			return err
		},
		"check": c.Check,
	}
}

// TestOutage breaks the way to Redis and wants each call to end in time, the
// breaker to spare the later ones, and everything to come back.
func TestOutage(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	for name, kind := range map[string]struct{ fail, mend func(*testenv.Proxy) }{
		"black hole": {(*testenv.Proxy).Stall, (*testenv.Proxy).Resume},
		"refused":    {(*testenv.Proxy).Refuse, (*testenv.Proxy).Accept},
	} {
		for call := range calls(nil) {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				cfg := settings(t)
				cfg.Timeout = timeout
				cfg.Probe = 100 * time.Millisecond
				p := through(t, &cfg)
				c := open(t, cfg)
				kind.fail(p)
				began := time.Now()
				err := calls(c)[call](t.Context())
				if took := time.Since(began); took > timeout+300*time.Millisecond { // for a loaded machine
					t.Errorf("took %s", took)
				}
				if !errors.Is(err, cache.ErrUnavailable) && !errors.Is(err, cache.ErrDistrusted) {
					t.Errorf("gave %v", err)
				}
				testenv.Eventually(t, "the outage to be noticed", func() bool { return !c.Trusted() })
				// Every call is refused at once when the breaker has opened,
				// which the probes alone bring about.
				testenv.Eventually(t, "the breaker to open", func() bool {
					began := time.Now()
					_, err := c.Forbid(t.Context(), "k")
					return errors.Is(err, cache.ErrUnavailable) && time.Since(began) < timeout/10
				})
				if _, err := c.Get(t.Context(), "k"); !errors.Is(err, cache.ErrDistrusted) {
					t.Errorf("Get gave %v", err)
				}
				kind.mend(p)
				testenv.Eventually(t, "trust to come back", c.Trusted)
				testenv.Eventually(t, "calls to work again", func() bool { return c.Check(t.Context()) == nil })
				key{T: t, c: c}.forbid()
			})
		}
	}
}

func TestRedisIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	p := through(t, &cfg)
	p.Refuse()
	c := start(t, cfg)
	value, hit, err := c.Fetch(t.Context(), "k", "", func(context.Context) ([]byte, error) { return []byte("v"), nil })
	if string(value) != "v" || hit || err != nil {
		t.Errorf("Fetch gave %q, %v, %v", value, hit, err)
	}
	p.Accept()
	testenv.Eventually(t, "Redis to be found once it is up", c.Trusted)
}

// TestNewConnectionIsDoubted: who answers on it may have been restarted.
func TestNewConnectionIsDoubted(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	var asked atomic.Int32
	cfg.Settled = func(context.Context) (bool, error) { asked.Add(1); return true, nil }
	p := through(t, &cfg)
	k := key{T: t, c: open(t, cfg)}
	k.replace(k.forbid(), "v1")
	before := p.Dials()
	p.Cut()
	testenv.Eventually(t, "a new connection", func() bool { return p.Dials() > before })
	testenv.Eventually(t, "the new connection to be trusted", k.c.Trusted)
	if asked.Load() != 2 {
		t.Errorf("Settled was asked %d times, want 2", asked.Load())
	}
	if e := k.get(); string(e.Value) != "v1" {
		t.Errorf("the same server's value is not found again: %+v", e)
	}
}

// TestAnswerOnANewConnection: the call that opens a new connection gets an
// answer, but perhaps from a server that was restarted in the meantime.
func TestAnswerOnANewConnection(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Probe = 300 * time.Millisecond // so that the call comes before the probe
	p := through(t, &cfg)
	c := open(t, cfg)
	for call, do := range calls(c) {
		if call == "check" || call == "fill" || call == "consume" {
			continue // which promise nothing about the server
		}
		refused := false
		for range 8 { // since a probe may have found out in time that it is the same server
			testenv.Eventually(t, "trust to come back", c.Trusted)
			p.Cut()
			<-time.After(5 * time.Millisecond) // for the client to see the end of its connection
			err := do(t.Context())
			if refused = errors.Is(err, cache.ErrUnavailable) || errors.Is(err, cache.ErrDistrusted); refused {
				break
			}
		}
		if !refused {
			t.Errorf("%s took the new connection for the old one", call)
		}
	}
}

// TestTrustWaitsForInvalidations is the story of a write that Redis missed.
func TestTrustWaitsForInvalidations(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Timeout = 100 * time.Millisecond
	var pending atomic.Int32 // recorded invalidations
	var askedDown atomic.Bool
	var down atomic.Bool
	asked := make(chan struct{}, 100)
	cfg.Settled = func(context.Context) (bool, error) {
		if down.Load() {
			askedDown.Store(true)
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		if pending.Load() < 0 {
			return true, errors.New("the database is out of reach")
		}
		return pending.Load() == 0, nil
	}
	p := through(t, &cfg)
	k := key{T: t, c: open(t, cfg)}
	k.replace(k.forbid(), "old")

	down.Store(true)
	p.Stall()
	token, err := k.c.Forbid(t.Context(), "k")
	if token != "" || !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("Forbid gave %q, %v", token, err)
	}
	pending.Store(1) // with the commit
	if err := k.c.Replace(t.Context(), "k", token, []byte("new")); !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("Replace gave %v", err)
	}
	drain(asked)
	down.Store(false)
	p.Resume()
	<-asked
	<-asked // the first answer has been acted upon
	if k.c.Trusted() {
		t.Fatal("Redis is trusted while an invalidation is waiting")
	}
	if _, err := k.c.Get(t.Context(), "k"); !errors.Is(err, cache.ErrDistrusted) {
		t.Fatalf("Get gave %v", err)
	}
	pending.Store(-1)
	drain(asked)
	<-asked
	<-asked
	if k.c.Trusted() {
		t.Fatal("Redis is trusted though nobody could say that nothing is waiting")
	}
	k.drop() // writes work while reads are not trusted
	pending.Store(0)
	testenv.Eventually(t, "trust to come back", k.c.Trusted)
	if e := k.get(); e.Hit {
		t.Errorf("found %q", e.Value)
	}
	if askedDown.Load() {
		t.Error("Settled was asked before Redis answered")
	}
}

func drain(c chan struct{}) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}

// TestFailureDuringQuestion: a failure while Settled is being asked makes its
// answer worthless.
func TestFailureDuringQuestion(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Timeout = 100 * time.Millisecond
	question, answer := make(chan struct{}), make(chan bool)
	cfg.Settled = func(ctx context.Context) (bool, error) {
		select {
		case question <- struct{}{}:
			return <-answer, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	p := through(t, &cfg)
	c := start(t, cfg)
	<-question
	p.Stall()
	if _, err := c.Forbid(t.Context(), "k"); !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("Forbid gave %v", err)
	}
	p.Resume()
	answer <- true
	testenv.Eventually(t, "the question to be asked again", func() bool {
		if c.Trusted() {
			t.Fatal("an answer from before the failure was taken")
		}
		select {
		case <-question:
			return true
		default:
			return false
		}
	})
	answer <- true
	testenv.Eventually(t, "trust to come back", c.Trusted)
}

// TestQuarantine: trust waits until every replica has had the time to
// notice that Redis is back.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Probe = 100 * time.Millisecond
	p := through(t, &cfg)
	c := open(t, cfg)
	p.Refuse()
	testenv.Eventually(t, "the outage to be noticed", func() bool { return !c.Trusted() })
	testenv.Eventually(t, "the breaker to open", func() bool { _, err := c.Forbid(t.Context(), "k"); return err != nil })
	back := time.Now()
	p.Accept()
	testenv.Eventually(t, "trust to come back", c.Trusted)
	if took := time.Since(back); took < 3*cfg.Probe {
		t.Errorf("Redis was trusted %s after it was back", took)
	}
}

// TestSilentServer: New itself must not hang where nobody answers.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := settings(t)
	cfg.URL = "redis://" + l.Addr().String()
	began := time.Now()
	c := start(t, cfg)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("New took %s", took)
	}
	if c.Trusted() {
		t.Error("nobody is trusted")
	}
}
