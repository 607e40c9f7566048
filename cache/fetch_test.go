package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/cache"
)

// offline is a cache without Redis: every Fetch loads.
func offline(t *testing.T, change func(*cache.Config)) *cache.Cache {
	t.Helper()
	cfg := settings(t)
	cfg.URL, cfg.Addr = "", closedPort(t)
	if change != nil {
		change(&cfg)
	}
	return start(t, cfg)
}

// source is a database whose answers the test releases one by one.
type source struct {
	began   chan int // the number of the load that has begun
	release chan struct{}
	loads   atomic.Int32
}

func newSource() *source {
	return &source{began: make(chan int), release: make(chan struct{})}
}

func (s *source) load(ctx context.Context) ([]byte, error) {
	n := int(s.loads.Add(1))
	s.began <- n
	select {
	case <-s.release:
		return fmt.Append(nil, n), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type answer struct {
	value string
	err   error
}

func fetch(ctx context.Context, c *cache.Cache, key string, load func(context.Context) ([]byte, error)) chan answer {
	got := make(chan answer, 1)
	go func() {
		value, _, err := c.Fetch(ctx, key, "", load)
		got <- answer{string(value), err}
	}()
	return got
}

func want(t *testing.T, got chan answer, value string) {
	t.Helper()
	if a := <-got; a.value != value || a.err != nil {
		t.Errorf("got %q, %v, want %q", a.value, a.err, value)
	}
}

// TestLateCallersShareTheNextLoad: a load that has begun may have read a row
// before a write that the late caller knows of.
func TestLateCallersShareTheNextLoad(t *testing.T) {
	t.Parallel()
	c, s := offline(t, nil), newSource()
	first := fetch(t.Context(), c, "k", s.load)
	<-s.began
	var late []chan answer
	for range 50 {
		late = append(late, fetch(t.Context(), c, "k", s.load))
	}
	other := fetch(t.Context(), c, "another key", s.load)
	<-s.began // does not wait for the first
	s.release <- struct{}{}
	s.release <- struct{}{}
	if a := <-first; a.err != nil || a.value != "1" {
		t.Errorf("the first caller got %+v", a)
	}
	want(t, other, "2")
	// The late ones need one load, or a second one for those that had not yet
	// reached Fetch when it began.
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-s.began:
				s.release <- struct{}{}
			case <-done:
				return
			}
		}
	})
	for _, got := range late {
		if a := <-got; a.err != nil || a.value < "3" {
			t.Errorf("a late caller got %+v", a)
		}
	}
	close(done)
	wg.Wait()
	if n := s.loads.Load(); n > 10 {
		t.Errorf("52 calls made %d loads", n)
	}
}

func TestCancelledCallerDisturbsNobody(t *testing.T) {
	t.Parallel()
	c, s := offline(t, nil), newSource()
	ctx, cancel := context.WithCancel(t.Context())
	first := fetch(ctx, c, "k", s.load)
	<-s.began
	second := fetch(t.Context(), c, "k", s.load)
	cancel()
	if a := <-first; !errors.Is(a.err, context.Canceled) {
		t.Errorf("the caller who gave up got %+v", a)
	}
	s.release <- struct{}{}
	<-s.began
	s.release <- struct{}{}
	want(t, second, "2")
}

func TestLoadHasADeadlineOfItsOwn(t *testing.T) {
	t.Parallel()
	type contextKey struct{}
	c := offline(t, func(cfg *cache.Config) { cfg.LoadTimeout = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), contextKey{}, "request 7"), time.Minute)
	defer cancel()
	var id any
	_, _, err := c.Fetch(ctx, "k", "", func(ctx context.Context) ([]byte, error) {
		id = ctx.Value(contextKey{})
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if id != "request 7" {
		t.Errorf("the load does not see the values of the caller's context, but %v", id)
	}
}

func TestPanickingLoad(t *testing.T) {
	t.Parallel()
	c := offline(t, nil)
	_, _, err := c.Fetch(t.Context(), "k", "", func(context.Context) ([]byte, error) { panic("a defect") })
	if err == nil || !contains(err, "a defect") {
		t.Errorf("got %v", err)
	}
	want(t, fetch(t.Context(), c, "k", func(context.Context) ([]byte, error) { return []byte("v"), nil }), "v")
}

func TestTooManyLoads(t *testing.T) {
	t.Parallel()
	c := offline(t, func(cfg *cache.Config) { cfg.MaxLoads, cfg.LoadWait = 2, 50*time.Millisecond })
	s := newSource()
	one, two := fetch(t.Context(), c, "1", s.load), fetch(t.Context(), c, "2", s.load)
	<-s.began
	<-s.began
	if a := <-fetch(t.Context(), c, "3", s.load); !errors.Is(a.err, cache.ErrBusy) {
		t.Errorf("the third load got %+v", a)
	}
	if s.loads.Load() != 2 {
		t.Errorf("%d loads ran", s.loads.Load())
	}
	s.release <- struct{}{}
	s.release <- struct{}{}
	<-one
	<-two
	three := fetch(t.Context(), c, "3", s.load)
	<-s.began
	s.release <- struct{}{}
	want(t, three, "3")
}

// TestManyMissesOneLease: of all the callers that miss a key at once in one
// process, the one with the lease fills it, even with the load of another caller.
func TestManyMissesOneLease(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	c := open(t, cfg)
	var loads atomic.Int32
	load := func(ctx context.Context) ([]byte, error) { loads.Add(1); pause(); return []byte("v"), ctx.Err() }
	for range 50 {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if value, _, err := c.Fetch(t.Context(), "k", "", load); string(value) != "v" || err != nil {
					t.Errorf("Fetch gave %q, %v", value, err)
				}
			})
		}
		wg.Wait()
		if e, err := c.Get(t.Context(), "k"); err != nil || !e.Hit {
			t.Fatalf("nobody has filled the key: %+v, %v", e, err)
		}
		if err := c.Drop(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if n := loads.Load(); n > 50*16/2 {
		t.Errorf("%d loads for 50 rounds of 16 callers", n)
	}
}
