package web_test

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/producttest"
)

func objectURL(key string) string { return "http://objects.example/" + key }

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// newService is the real service on a schema and a part of Redis of its own.
func newService(t testing.TB) *product.Service {
	t.Helper()
	return product.NewService(producttest.DB(t), newCache(t), objectURL, quiet())
}

// newCache is a running cache that trusts Redis already.
func newCache(t testing.TB) *cache.Cache {
	t.Helper()
	return newCacheWith(t, cache.Config{Probe: 100 * time.Millisecond, Timeout: 1400 * time.Millisecond}) // for a busy machine
}

func newCacheWith(t testing.TB, cfg cache.Config) *cache.Cache {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Fatal("REDIS_URL is not set: start the servers with `make up` and run the tests with `make test`")
	}
	cfg.URL, cfg.Prefix = url, "test:"+uuid.NewString()+":"
	c, err := cache.New(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("cache: %v", err)
		}
		c.Close()
	})
	waitTrusted(t, c)
	return c
}

// waitTrusted waits until the cache may be read.
func waitTrusted(t testing.TB, c *cache.Cache) {
	t.Helper()
	eventually(t, "the cache is trusted: is Redis up (`make up`)?", c.Trusted)
}

// eventually waits for a state that nobody signals.
func eventually(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never reached: %s", what)
		}
	}
}
