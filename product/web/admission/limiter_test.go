package admission_test

import (
	"context"
	"io"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/web/admission"
)

// redis returns a running cache that trusts Redis, and the proxy between them.
func redis(t *testing.T) (*cache.Cache, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(os.Getenv("REDIS_URL"))
	if err != nil || u.Host == "" {
		t.Fatal("REDIS_URL is not set: start the servers with `make up` and run the tests with `make test`")
	}
	proxy := testenv.NewProxy(t, u.Host)
	u.Host = proxy.Addr
	log := logrus.New()
	log.SetOutput(io.Discard)
	c, err := cache.New(cache.Config{URL: u.String(), Prefix: "test:", Probe: 100 * time.Millisecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() {
		stop()
		run.Wait()
		c.Close()
	})
	eventually(t, "Redis is found", c.Trusted)
	return c, proxy
}

func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never reached: %s", what)
		}
	}
}

// pair returns the limiters of two replicas, which share their counts, and the proxy between
// the first one and Redis.
func pair(t *testing.T, window time.Duration) (one, two *admission.Limiter, proxy *testenv.Proxy) {
	t.Helper()
	prefix := uuid.NewString() + ":"
	near, proxy := redis(t)
	far, _ := redis(t)
	return admission.NewLimiter(admission.LimiterConfig{Counter: near, Prefix: prefix, Window: window}),
		admission.NewLimiter(admission.LimiterConfig{Counter: far, Prefix: prefix, Window: window}), proxy
}

// takes makes n uses and returns the number of permitted ones.
func takes(t *testing.T, l *admission.Limiter, u admission.Use, n int) (passed int) {
	t.Helper()
	for range n {
		if ok, _ := l.Take(t.Context(), u); ok {
			passed++
		}
	}
	return passed
}

func TestReplicasShareOneCount(t *testing.T) {
	t.Parallel()
	one, two, _ := pair(t, time.Hour)
	u := admission.Use{Key: "k", Quota: 20}
	var passed atomic.Int64
	var all sync.WaitGroup
	for _, l := range []*admission.Limiter{one, two, one, two} {
		all.Go(func() { passed.Add(int64(takes(t, l, u, 20))) })
	}
	all.Wait()
	if passed.Load() != 20 {
		t.Errorf("%d uses of 20 passed", passed.Load())
	}
	for i, l := range []*admission.Limiter{one, two} {
		if ok, s := l.Look(u); ok || s.Left != 0 || s.Wait <= 0 {
			t.Errorf("replica %d does not know that nothing is left: %v %+v", i, ok, s)
		}
	}
}

// A large quota is counted in batches, so each replica may permit a hundredth too much. The
// surplus is deducted afterwards.
func TestBatchesAreOwed(t *testing.T) {
	t.Parallel()
	one, two, _ := pair(t, 100*time.Hour)
	u := admission.Use{Key: "k", Quota: 1000}
	passed := takes(t, one, u, 995) + takes(t, two, u, 1005)
	if passed < 1000 || passed > 1020 {
		t.Errorf("%d uses of 1000 passed, want 1020 at most", passed)
	}
	// A third replica, with its own batch, sees the debt.
	if more := takes(t, one, u, 20); more > 5 {
		t.Errorf("%d more passed", more)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	l := admission.NewLimiter(admission.LimiterConfig{Window: time.Hour})
	a, b := admission.Use{Key: "a", Quota: 3}, admission.Use{Key: "b", Quota: 1}
	var got []any
	for range 2 {
		ok, states := l.Take(t.Context(), a, b)
		for _, s := range states {
			got = append(got, ok, s.Left, s.Wait.Round(time.Minute))
		}
	}
	ok, s := l.Look(admission.Use{Key: "new", Quota: 7})
	got = append(got, ok, s.Left, s.Wait)
	want := []any{
		true, 2, 20 * time.Minute, true, 0, 60 * time.Minute,
		false, 2, 20 * time.Minute, false, 0, 60 * time.Minute, // a was not used
		true, 7, time.Duration(0),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestUsesComeBack(t *testing.T) {
	t.Parallel()
	one, two, _ := pair(t, 2*time.Second)
	u := admission.Use{Key: "k", Quota: 2}
	if n := takes(t, one, u, 2); n != 2 {
		t.Fatalf("%d passed", n)
	}
	var wait time.Duration
	began := time.Now()
	eventually(t, "a use comes back", func() bool {
		ok, states := two.Take(t.Context(), u)
		if !ok && wait == 0 {
			wait = states[0].Wait
		}
		return ok
	})
	if took := time.Since(began); wait <= 0 || wait > time.Second || took < wait {
		t.Errorf("it came back after %s; announced were %s", took, wait)
	}
}

// A replica without Redis goes on with its own count, and no use waits longer than the timeout
// of a call to Redis.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testenv.Proxy){"frozen": (*testenv.Proxy).Stall, "refusing": (*testenv.Proxy).Refuse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two, proxy := pair(t, time.Hour)
			u := admission.Use{Key: "k", Quota: 30}
			if n := takes(t, two, u, 10); n != 10 {
				t.Fatalf("%d passed", n)
			}
			if n := takes(t, one, u, 1); n != 1 {
				t.Fatal("nothing passed")
			}
			fail(proxy)
			var longest, last time.Duration
			passed := 0
			for range 40 {
				began := time.Now()
				ok, _ := one.Take(t.Context(), u)
				last = time.Since(began)
				longest = max(longest, last)
				if ok {
					passed++
				}
			}
			if passed != 19 { // it knew of 11
				t.Errorf("%d passed, want the 19 that were left", passed)
			}
			if longest > 500*time.Millisecond { // 100 ms on a machine that is not busy
				t.Errorf("a use took %s", longest)
			}
			if last > 50*time.Millisecond {
				t.Errorf("with the breaker open a use took %s", last)
			}
			if n := takes(t, two, u, 30); n != 19 {
				t.Errorf("%d passed in the other replica, want its 19", n)
			}
		})
	}
}

func TestRedisComesBack(t *testing.T) {
	t.Parallel()
	one, two, proxy := pair(t, time.Hour)
	proxy.Refuse()
	u := admission.Use{Key: "k", Quota: 1000}
	takes(t, one, u, 100)
	proxy.Accept()
	takes(t, two, u, 1001)
	eventually(t, "the replica hears of the other's uses", func() bool {
		takes(t, one, u, 1)
		_, s := one.Look(u)
		return s.Left == 0
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := admission.NewLimiter(admission.LimiterConfig{Window: time.Hour, MaxKeys: 10})
	used := admission.Use{Key: "used", Quota: 100}
	for i := range 100 {
		takes(t, l, used, 1)
		takes(t, l, admission.Use{Key: strconv.Itoa(i), Quota: 1}, 1)
	}
	if n := takes(t, l, used, 1); n != 0 {
		t.Error("a key in use was forgotten")
	}
	if n := takes(t, l, admission.Use{Key: "99", Quota: 1}, 1); n != 0 {
		t.Error("the last key was forgotten")
	}
	if n := takes(t, l, admission.Use{Key: "0", Quota: 1}, 1); n != 1 {
		t.Error("the first key is remembered: memory is not bounded")
	}
}
