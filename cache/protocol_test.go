package cache_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"vitrine/bench/testenv"
	"vitrine/cache"
)

func contains(err error, text string) bool { return strings.Contains(err.Error(), text) }

// key is a cache and the name of one key in it, with calls that cannot fail.
type key struct {
	*testing.T
	c   *cache.Cache
	cfg cache.Config // for lose
}

// lose removes what is under the key behind the cache's back, as a server does
// that runs out of memory.
func (k key) lose() {
	k.Helper()
	client := redis(k.T, k.cfg)
	for _, name := range keys(k.T, client, k.cfg.Prefix+"k@") {
		if err := client.Do(k.Context(), client.B().Del().Key(name).Build()).Error(); err != nil {
			k.Fatal(err)
		}
	}
}

func (k key) get() cache.Entry {
	k.Helper()
	e, err := k.c.Get(k.Context(), "k")
	if err != nil {
		k.Fatalf("Get: %v", err)
	}
	return e
}

func (k key) fill(lease, value string) {
	k.Helper()
	if err := k.c.Fill(k.Context(), "k", lease, []byte(value)); err != nil {
		k.Fatalf("Fill: %v", err)
	}
}

func (k key) forbid() string {
	k.Helper()
	token, err := k.c.Forbid(k.Context(), "k")
	if err != nil {
		k.Fatalf("Forbid: %v", err)
	}
	if token == "" {
		k.Fatal("Forbid gave no token")
	}
	return token
}

func (k key) replace(token, value string) {
	k.Helper()
	if err := k.c.Replace(k.Context(), "k", token, []byte(value)); err != nil {
		k.Fatalf("Replace: %v", err)
	}
}

func (k key) drop() {
	k.Helper()
	if err := k.c.Drop(k.Context(), "k"); err != nil {
		k.Fatalf("Drop: %v", err)
	}
}

// What the next Get finds.
const (
	absent = "absent"    // a lease is given
	taken  = "forbidden" // neither a value nor a lease
)

func TestProtocol(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	for _, tc := range []struct {
		name string
		do   func(k key)
		want string // absent, taken, or the value
	}{
		{"an unused key has no lease", func(key) {}, absent},
		{"a second reader gets no lease", func(k key) { k.get() }, taken},
		{"the lease fills", func(k key) { k.fill(k.get().Lease, "v1") }, "v1"},
		{"a lease fills once", func(k key) { l := k.get().Lease; k.fill(l, "v1"); k.fill(l, "v2") }, "v1"},
		{"another token does not fill", func(k key) { k.get(); k.fill("lSOMEBODYELSE", "v1") }, taken},
		{"no lease fills nothing", func(k key) { k.fill("", "v1") }, absent},
		{"a tombstone forbids", func(k key) { k.forbid() }, taken},
		{"a tombstone hides a value", func(k key) { k.fill(k.get().Lease, "v1"); k.forbid() }, taken},
		{"a tombstone ends a lease", func(k key) { l := k.get().Lease; k.forbid(); k.fill(l, "old") }, taken},
		{"a lease cannot publish", func(k key) { k.replace(k.get().Lease+"x", "v1") }, absent},
		{"a tombstone cannot fill after its end", func(k key) { tok := k.forbid(); k.lose(); k.fill(tok, "v1") }, absent},
		{"a write publishes", func(k key) { k.replace(k.forbid(), "v2") }, "v2"},
		{"a write publishes over a value", func(k key) {
			k.fill(k.get().Lease, "v1")
			k.replace(k.forbid(), "v2")
		}, "v2"},
		{"the first of two writes leaves the second's tombstone", func(k key) {
			first := k.forbid()
			k.forbid()
			k.replace(first, "v1")
		}, taken},
		{"so that the second publishes, which is newer", func(k key) {
			first, second := k.forbid(), k.forbid()
			k.replace(first, "older")
			k.replace(second, "newer")
		}, "newer"},
		{"a value in the place of the tombstone is removed", func(k key) {
			first, second := k.forbid(), k.forbid()
			k.replace(second, "v2")
			k.replace(first, "v1")
		}, absent},
		{"a lost tombstone ends a later lease", func(k key) {
			token := k.forbid()
			k.lose()
			l := k.get().Lease
			k.replace(token, "new")
			k.fill(l, "old")
		}, absent},
		{"a lost tombstone leaves a later one", func(k key) {
			token := k.forbid()
			k.lose()
			k.forbid()
			k.replace(token, "old")
		}, taken},
		{"nothing is published in the place of a lost tombstone", func(k key) {
			token := k.forbid()
			k.lose()
			k.replace(token, "old")
		}, absent},
		{"a write without a tombstone removes", func(k key) { k.fill(k.get().Lease, "v1"); k.replace("", "v2") }, absent},
		{"drop removes a value", func(k key) { k.fill(k.get().Lease, "v1"); k.drop() }, absent},
		{"drop removes a lease", func(k key) { l := k.get().Lease; k.drop(); k.fill(l, "old") }, absent},
		{"drop of nothing", func(k key) { k.drop() }, absent},
		{"drop keeps a key forbidden", func(k key) { k.forbid(); k.drop() }, taken},
		{"a write whose tombstone was dropped does not publish", func(k key) {
			token := k.forbid()
			k.drop()
			k.replace(token, "older than what was dropped for")
		}, taken},
		{"a write without a tombstone keeps a key forbidden", func(k key) { k.forbid(); k.replace("", "v2") }, taken},
		{"a write after a drop publishes", func(k key) { k.forbid(); k.drop(); k.replace(k.forbid(), "v2") }, "v2"},
		{"an empty value", func(k key) { k.replace(k.forbid(), "") }, ""},
		{"a value like a token", func(k key) { k.replace(k.forbid(), "tABC") }, "tABC"},
		{"any bytes", func(k key) { k.fill(k.get().Lease, "\x00\xff\r\n$-1\r\n") }, "\x00\xff\r\n$-1\r\n"},
		{"1 MiB", func(k key) { k.replace(k.forbid(), large) }, large},
		{"more than 1 MiB is not published", func(k key) { k.replace(k.forbid(), large+"x") }, taken},
		{"more than 1 MiB is not filled", func(k key) { k.fill(k.get().Lease, large+"x") }, taken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t)
			redis(t, cfg)
			k := key{T: t, c: open(t, cfg), cfg: cfg}
			tc.do(k)
			e := k.get()
			got := string(e.Value)
			switch {
			case !e.Hit && e.Lease != "":
				got = absent
			case !e.Hit:
				got = taken
			}
			if got != tc.want || e.Hit && e.Lease != "" {
				t.Errorf("found %.40q (hit %v, lease %q), want %.40q", got, e.Hit, e.Lease, tc.want)
			}
		})
	}
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Lease, cfg.Tombstone = 30*time.Millisecond, 60*time.Millisecond
	k := key{T: t, c: open(t, cfg)}
	first := k.get().Lease
	var second string
	testenv.Eventually(t, "the lease to expire", func() bool { second = k.get().Lease; return second != "" })
	if first == second {
		t.Error("two leases have the same token")
	}
	token := k.forbid()
	testenv.Eventually(t, "the tombstone to expire", func() bool { return k.get().Lease != "" })
	k.replace(token, "late")
	if e := k.get(); e.Hit {
		t.Error("a write published after its tombstone had expired")
	}
}

func TestExpiryTimes(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.TTL, cfg.Lease, cfg.Tombstone = time.Minute, 5*time.Second, 15*time.Second
	client := redis(t, cfg)
	k := key{T: t, c: open(t, cfg)}
	left := func() time.Duration {
		t.Helper()
		held := keys(t, client, cfg.Prefix+"k@")
		if len(held) != 1 {
			t.Fatalf("Redis holds %q", held)
		}
		ms, err := client.Do(t.Context(), client.B().Pttl().Key(held[0]).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	within := func(what string, least, most time.Duration) {
		t.Helper()
		if d := left(); d < least || d > most {
			t.Errorf("%s expires in %s, want %s to %s", what, d, least, most)
		}
	}
	const slack = 3 * time.Second // between a call and its look-up
	lease := k.get().Lease
	within("a lease", cfg.Lease-slack, cfg.Lease)
	k.fill(lease, "v1")
	within("a filled value", cfg.TTL*4/5-slack, cfg.TTL)
	token := k.forbid()
	within("a tombstone", cfg.Tombstone-slack, cfg.Tombstone)
	k.replace(token, "v2")
	within("a published value", cfg.TTL*4/5-slack, cfg.TTL)
	k.forbid()
	k.drop()
	within("a tombstone that was dropped", cfg.Tombstone-slack, cfg.Tombstone)

	spread := map[time.Duration]bool{}
	for range 20 {
		k.replace(k.forbid(), "v3")
		spread[left().Round(time.Second)] = true
	}
	if len(spread) < 3 {
		t.Errorf("20 values expire within %d s of each other", len(spread))
	}
}

func TestCallerWhoGivesUp(t *testing.T) {
	t.Parallel()
	c := open(t, settings(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := c.Forbid(ctx, "k"); !errors.Is(err, context.Canceled) || errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("Forbid: %v", err)
	}
	// The write has been committed: its client's going is no reason to leave
	// the old value there.
	if err := c.Replace(ctx, "k", "", nil); err != nil {
		t.Errorf("Replace: %v", err)
	}
	if err := c.Drop(ctx, "k"); err != nil {
		t.Errorf("Drop: %v", err)
	}
	if !c.Trusted() {
		t.Error("a caller who gave up cost the cache its trust")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	reg := prometheus.NewRegistry()
	cfg.Registerer = reg
	k := key{T: t, c: open(t, cfg)}
	k.fill(k.get().Lease, "v1")
	k.get()
	k.get()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"vitrine_cache_reads_total hit":  2,
		"vitrine_cache_reads_total miss": 1,
		"vitrine_cache_trusted":          1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFetchFillsTheCache(t *testing.T) {
	t.Parallel()
	c := open(t, settings(t))
	type answer struct {
		Value string
		Hit   bool
		Err   error
	}
	value := []byte("from the database")
	load := func(context.Context) ([]byte, error) { return bytes.Clone(value), nil }
	fetch := func(load func(context.Context) ([]byte, error)) answer {
		value, hit, err := c.Fetch(t.Context(), "k", "", load)
		return answer{string(value), hit, err}
	}
	gone := errors.New("no such row")
	fails := func(context.Context) ([]byte, error) { return nil, gone }
	got := []answer{fetch(load), fetch(load), fetch(fails)}
	if err := c.Drop(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	got = append(got, fetch(fails))
	want := []answer{{"from the database", false, nil}, {"from the database", true, nil}, {"from the database", true, nil}, {"", false, gone}}
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Error(diff)
	}
}
