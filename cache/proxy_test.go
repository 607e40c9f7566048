package cache_test

import (
	"net/url"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/cache"
)

// through puts a proxy in front of the Redis server that cfg names.
func through(t *testing.T, cfg *cache.Config) *testenv.Proxy {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	upstream := u.Host
	if u.Scheme == "unix" {
		upstream = u.Path
		u.Scheme, u.Path = "redis", ""
	}
	p := testenv.NewProxy(t, upstream)
	u.Host = p.Addr
	cfg.URL = u.String()
	return p
}
