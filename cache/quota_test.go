package cache_test

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/cache"
)

// consume uses key once, with a quota and what is owed.
func consume(t *testing.T, c *cache.Cache, key string, quota, owed int, interval time.Duration) (bool, time.Duration) {
	t.Helper()
	allowed, full, err := c.Consume(t.Context(), []string{key}, []int{quota}, []int{owed}, []time.Duration{interval})
	if err != nil {
		t.Error(err)
		return false, 0
	}
	return allowed, full[0]
}

func TestConsumeCountsForAllReplicas(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	replicas := []*cache.Cache{open(t, cfg), open(t, cfg)}
	var allowed atomic.Int32
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			if ok, _ := consume(t, replicas[i%2], "k", 20, 0, time.Hour); ok {
				allowed.Add(1)
			}
		})
	}
	all.Wait()
	if allowed.Load() != 20 {
		t.Errorf("%d of 60 uses were allowed, want 20", allowed.Load())
	}
}

func TestConsumedUsesComeBackOneByOne(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	c := open(t, cfg)
	const interval = time.Second
	for i := range 3 {
		ok, full := consume(t, c, "k", 3, 0, interval)
		if most := time.Duration(i+1) * interval; !ok || full <= 0 || full > most {
			t.Errorf("use %d: allowed %v, whole in %s, want up to %s", i, ok, full, most)
		}
	}
	asked := time.Now()
	ok, full := consume(t, c, "k", 3, 0, interval)
	if ok || full <= 2*interval {
		t.Fatalf("a fourth use: allowed %v, whole in %s", ok, full)
	}
	// A refused use costs nothing, however often it is tried.
	testenv.Eventually(t, "a use to come back", func() bool {
		ok, _ := consume(t, c, "k", 3, 0, interval)
		return ok
	})
	if took := time.Since(asked); took < full-2*interval {
		t.Errorf("a use has come back after %s, want %s", took, full-2*interval)
	}
	if ok, _ := consume(t, c, "k", 3, 0, interval); ok {
		t.Error("two have come back")
	}
}

func TestOwedUsesAreCountedThoughNoneIsLeft(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	client := redis(t, cfg)
	c := open(t, cfg)
	ok, full := consume(t, c, "k", 10, 12, time.Hour)
	if ok || full != 12*time.Hour {
		t.Errorf("allowed %v, whole in %s, want 12 h", ok, full)
	}
	if _, full = consume(t, c, "k", 10, 1000, time.Hour); full < 19*time.Hour || full > 20*time.Hour {
		t.Errorf("whole in %s, want 20 h at most", full)
	}
	// The same holds when somebody turns the server's clock back.
	if err := client.Do(t.Context(), client.B().Set().Key(cfg.Prefix+"k").Value("9000000000000000").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if ok, full = consume(t, c, "k", 10, 0, time.Hour); ok || full > 20*time.Hour {
		t.Errorf("allowed %v, whole in %s, want 20 h at most", ok, full)
	}
}

func TestConsumeOfTwoKeysIsOfBothOrNone(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	client := redis(t, cfg)
	c := open(t, cfg)
	hours := []time.Duration{time.Hour, time.Hour}
	both := func() (bool, []time.Duration) {
		t.Helper()
		allowed, full, err := c.Consume(t.Context(), []string{"a", "b"}, []int{5, 1}, []int{0, 0}, hours)
		if err != nil {
			t.Fatal(err)
		}
		return allowed, full
	}
	if ok, full := both(); !ok || full[0] != time.Hour || full[1] != time.Hour {
		t.Errorf("first: allowed %v, whole in %s", ok, full)
	}
	if ok, full := both(); ok || full[0] > time.Hour {
		t.Errorf("second, with nothing left of b: allowed %v, whole in %s", ok, full)
	}
	if diff := cmp.Diff([]string{"a", "b"}, names(keys(t, client, cfg.Prefix), cfg.Prefix)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	for _, key := range []string{"a", "b"} {
		ttl, err := client.Do(t.Context(), client.B().Pttl().Key(cfg.Prefix+key).Build()).AsInt64()
		if err != nil || ttl <= 0 || ttl > time.Hour.Milliseconds() {
			t.Errorf("%s lives for %d ms, %v", key, ttl, err)
		}
	}
}

// names are the keys without their prefix, sorted.
func names(keys []string, prefix string) []string {
	found := make([]string, len(keys))
	for i, key := range keys {
		found[i] = key[len(prefix):]
	}
	slices.Sort(found)
	return found
}

// TestConsumeIsExact uses quotas whose intervals are no round numbers up at once.
func TestConsumeIsExact(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	c := open(t, cfg)
	for _, quota := range []int{1, 7, 33} {
		interval := (time.Hour / time.Duration(quota)).Truncate(time.Microsecond)
		for i := range quota + 2 {
			if ok, _ := consume(t, c, strconv.Itoa(quota), quota, 0, interval); ok != (i < quota) {
				t.Errorf("use %d of %d: allowed %v", i+1, quota, ok)
			}
		}
	}
}
