package cache_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"vitrine/bench/testenv"
	"vitrine/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are for a cache of one test's own on the common Redis: a prefix of
// its own, short probes, and a call timeout that a loaded machine keeps.
func settings(t *testing.T) cache.Config {
	t.Helper()
	return cache.Config{
		URL:     testenv.RedisURL(t),
		Prefix:  "test:" + rand.Text() + ":",
		Timeout: 2 * time.Second,
		TTL:     time.Minute,
		Probe:   100 * time.Millisecond, // trust lasts for three without a look, on a busy machine too
	}
}

// open runs a cache until the test ends and waits until it is trusted.
func open(t *testing.T, cfg cache.Config) *cache.Cache {
	t.Helper()
	c := start(t, cfg)
	testenv.Eventually(t, "Redis to be trusted; start the servers with `make up`", c.Trusted)
	return c
}

// start runs a cache until the test ends.
func start(t *testing.T, cfg cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.New(cfg, testenv.Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		c.Close()
	})
	testenv.Run(t, c.Run)
	return c
}

// redis is a client to look behind the cache with. It removes the test's keys.
func redis(t *testing.T, cfg cache.Config) rueidis.Client {
	t.Helper()
	opt, err := rueidis.ParseURL(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	opt.DisableCache, opt.ForceSingleClient = true, true
	client, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatalf("start the servers with make up: %v", err)
	}
	t.Cleanup(func() {
		for _, key := range keys(t, client, cfg.Prefix) {
			client.Do(context.Background(), client.B().Del().Key(key).Build())
		}
		client.Close()
	})
	return client
}

// keys returns what Redis holds under a prefix.
func keys(t *testing.T, client rueidis.Client, prefix string) []string {
	t.Helper()
	var found []string
	for cursor := uint64(0); ; {
		page, err := client.Do(context.Background(), client.B().Scan().Cursor(cursor).Match(prefix+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page.Elements...)
		if cursor = page.Cursor; cursor == 0 {
			return found
		}
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]cache.Config{
		"no address":       {},
		"no Redis URL":     {URL: "http://127.0.0.1/"},
		"unparsable URL":   {URL: "redis://user:pass word@%zz"},
		"database name":    {URL: "redis://127.0.0.1/zero"},
		"TTL above 10 min": {Addr: "127.0.0.1:1", TTL: 11 * time.Minute},
		"negative timeout": {Addr: "127.0.0.1:1", Timeout: -time.Second},
		"negative loads":   {Addr: "127.0.0.1:1", MaxLoads: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := cache.New(cfg, logrus.New())
			if err == nil {
				c.Close()
				t.Fatal("New accepted it")
			}
			for _, secret := range []string{"pass word", "%zz"} {
				if contains(err, secret) {
					t.Errorf("the error shows the URL: %v", err)
				}
			}
		})
	}
}

func TestURLWithSlashAtItsEnd(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/"
	cfg.URL = u.String()
	open(t, cfg)
}
