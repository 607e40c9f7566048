package cache_test

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"golang.org/x/sync/singleflight"

	"vitrine/cache"
)

// register is the database: a row whose number grows with each commit. The
// pauses stand for the network; they are where a stale value slips in.
type register struct {
	lock  sync.Mutex // of the row, held by its writer
	row   atomic.Int64
	acked atomic.Int64 // the newest number whose write was acknowledged
}

func (r *register) commit() int64 {
	pause()
	n := r.row.Add(1)
	pause()
	return n
}

func (r *register) load(context.Context) ([]byte, error) {
	pause()
	n := r.row.Load()
	pause()
	return strconv.AppendInt(nil, n, 10), nil
}

func (r *register) ack(n int64) {
	for {
		acked := r.acked.Load()
		if acked >= n || r.acked.CompareAndSwap(acked, n) {
			return
		}
	}
}

// pause yields for 0 to 300 µs, most often not at all.
func pause() {
	if d := rand.N(600*time.Microsecond) - 300*time.Microsecond; d > 0 {
		<-time.After(d)
	}
}

// replica is one process: how it reads and writes the register of a key.
type replica interface {
	read(t *testing.T, r *register, key string) (value []byte, hit bool)
	write(t *testing.T, r *register, key string)
}

// tally is what readers saw.
type tally struct{ reads, hits, stale atomic.Int64 }

// race lets readers and writers loose until there were enough reads.
func race(t *testing.T, reads int64, replicas ...replica) *tally {
	t.Helper()
	return raceWhile(t, func(read int64) bool { return read <= reads }, replicas...)
}

// raceWhile lets readers and writers loose on three keys, and counts the reads
// that were older than the last acknowledged write.
func raceWhile(t *testing.T, goOn func(read int64) bool, replicas ...replica) *tally {
	t.Helper()
	keys := []string{"a", "b", "c"}
	registers := map[string]*register{}
	for _, key := range keys {
		registers[key] = &register{}
	}
	var seen tally
	var wg sync.WaitGroup
	for _, rep := range replicas {
		for range 6 {
			wg.Go(func() {
				for goOn(seen.reads.Add(1)) && !t.Failed() {
					key := keys[rand.N(len(keys))]
					r := registers[key]
					floor := r.acked.Load() // acknowledged before this read began
					value, hit := rep.read(t, r, key)
					n, err := strconv.ParseInt(string(value), 10, 64)
					if err != nil {
						t.Errorf("read %q", value)
					}
					if hit {
						seen.hits.Add(1)
					}
					if n < floor {
						seen.stale.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for goOn(seen.reads.Load()+1) && !t.Failed() {
				key := keys[rand.N(len(keys))]
				rep.write(t, registers[key], key)
				pause()
			}
		})
	}
	wg.Wait()
	t.Logf("%d reads, %d hits, %d stale, %d+%d+%d writes", seen.reads.Load(), seen.hits.Load(), seen.stale.Load(),
		registers["a"].row.Load(), registers["b"].row.Load(), registers["c"].row.Load())
	return &seen
}

// careful keeps the protocol.
type careful struct{ c *cache.Cache }

func (s careful) read(t *testing.T, r *register, key string) ([]byte, bool) {
	value, hit, err := s.c.Fetch(t.Context(), key, "", r.load)
	if err != nil {
		t.Errorf("Fetch: %v", err)
	}
	return value, hit
}

func (s careful) write(t *testing.T, r *register, key string) {
	r.lock.Lock()
	token, _ := s.c.Forbid(t.Context(), key) // a failed one is not the end of the write
	n := r.commit()
	r.lock.Unlock()
	pause()
	_ = s.c.Replace(t.Context(), key, token, strconv.AppendInt(nil, n, 10))
	r.ack(n)
}

// TestNobodyReadsStale: two replicas on one Redis.
func TestNobodyReadsStale(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	redis(t, cfg)
	seen := race(t, 20_000, careful{open(t, cfg)}, careful{open(t, cfg)})
	if seen.stale.Load() != 0 {
		t.Errorf("%d reads were older than the last acknowledged write", seen.stale.Load())
	}
	if seen.hits.Load() == 0 {
		t.Error("the cache never answered, so the test says nothing")
	}
}

// naive is cache-aside as one finds it everywhere: fill after a miss, delete
// after the commit.
type naive struct {
	client rueidis.Client
	prefix string
}

func (s naive) read(t *testing.T, r *register, key string) ([]byte, bool) {
	ctx, key := t.Context(), s.prefix+key
	value, err := s.client.Do(ctx, s.client.B().Get().Key(key).Build()).AsBytes()
	if err == nil {
		return value, true
	}
	value, _ = r.load(ctx)
	s.client.Do(ctx, s.client.B().Set().Key(key).Value(string(value)).Build())
	return value, false
}

func (s naive) write(t *testing.T, r *register, key string) {
	n := r.commit()
	s.client.Do(t.Context(), s.client.B().Del().Key(s.prefix+key).Build())
	r.ack(n)
}

// TestNaiveCacheReadsStale shows that the race finds what it looks for.
func TestNaiveCacheReadsStale(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := naive{redis(t, cfg), cfg.Prefix}
	if seen := race(t, 5_000, s, s); seen.stale.Load() == 0 {
		t.Error("plain cache-aside was never stale: the race is too tame to prove anything")
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestNobodyReadsStaleWithoutRedis: sharing loads must not make reads stale.
func TestNobodyReadsStaleWithoutRedis(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.URL, cfg.Addr = "", closedPort(t)
	seen := race(t, 5_000, careful{start(t, cfg)}, careful{start(t, cfg)})
	if seen.stale.Load() != 0 {
		t.Errorf("%d reads were older than the last acknowledged write", seen.stale.Load())
	}
}

// shared is a plain singleflight, where a call may join a load under way.
type shared struct{ group *singleflight.Group }

func (s shared) read(t *testing.T, r *register, key string) ([]byte, bool) {
	value, _, _ := s.group.Do(key, func() (any, error) { return r.load(t.Context()) })
	return value.([]byte), false
}

func (s shared) write(_ *testing.T, r *register, _ string) { r.ack(r.commit()) }

// TestPlainSingleflightReadsStale shows why [cache.Cache.Fetch] does not use one.
func TestPlainSingleflightReadsStale(t *testing.T) {
	t.Parallel()
	if seen := race(t, 5_000, shared{&singleflight.Group{}}, shared{&singleflight.Group{}}); seen.stale.Load() == 0 {
		t.Error("a plain singleflight was never stale: the race is too tame to prove anything")
	}
}
