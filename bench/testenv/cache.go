package testenv

import (
	"context"
	"testing"
	"time"

	"vitrine/cache"
)

// Pending reports whether invalidations that Redis missed are still to be made.
type Pending func(context.Context) (bool, error)

// OpenCache returns a running cache that trusts Redis. pending may be nil.
func OpenCache(t testing.TB, url, prefix string, pending Pending) *cache.Cache {
	t.Helper()
	// The timeout is longer than in production, for a busy machine. A write may meet it
	// twice and has three seconds. Tests that cut a proxy off wait for it to pass.
	timeout := 500 * time.Millisecond
	if url == RedisURL(t) {
		timeout = 1400 * time.Millisecond
	}
	return OpenCacheWith(t, cache.Config{URL: url, Prefix: prefix, Probe: 100 * time.Millisecond, Timeout: timeout}, pending)
}

// OpenCacheWith returns a running cache that trusts Redis. pending may be nil.
func OpenCacheWith(t testing.TB, cfg cache.Config, pending Pending) *cache.Cache {
	t.Helper()
	if pending != nil {
		cfg.Settled = func(ctx context.Context) (bool, error) {
			waiting, err := pending(ctx)
			return !waiting, err
		}
	}
	c, err := cache.New(cfg, Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	Run(t, c.Run)
	Eventually(t, "the cache is trusted (is Redis up? `make up` starts it)", c.Trusted)
	return c
}
