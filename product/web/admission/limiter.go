package admission

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Counter keeps the counts that replicas share. The cache implements it.
type Counter interface {
	// Consume counts one use of every key if each has one left, and otherwise none.
	// It returns the time after which each key has its whole quota again. Owed uses
	// were made before and are counted in any case. It returns soon even if the
	// store of the counts does not respond.
	Consume(ctx context.Context, keys []string, quotas, owed []int, intervals []time.Duration) (allowed bool, full []time.Duration, err error)
}

// limiterConfig configures a limiter.
type limiterConfig struct {
	Counter Counter       // nil: this process counts alone
	Prefix  string        // of the counter's keys, which separates installations
	Window  time.Duration // in which a whole quota is restored; a minute if zero
	MaxKeys int           // that this process remembers, the last used; 65,536 if zero, about 15 MiB
}

// A process asks the counter with every hundredth use of a quota, at most 100, and
// admits the uses in between by what it knows. So each replica may admit up to a
// hundredth of a quota too much; it is owed to the counter and missing later.
const (
	batchPart = 100
	maxBatch  = 100
)

// limiter counts uses of keys. A key has a quota of uses, which are restored one by
// one over the window (the generic cell rate algorithm, a token bucket without the
// bucket): a key that was left alone may be used quota times at once, and then once
// in every quota-th part of the window. Replicas share the counts through the
// Counter while it is reachable. All methods are safe for concurrent use.
type limiter struct {
	cfg limiterConfig

	mu   sync.Mutex
	keys *simplelru.LRU[string, *entry]
}

// entry is what this process knows of a key. At least that much is used.
type entry struct {
	full time.Time // when the whole quota is restored
	owed int       // uses that the counter has not been told of
}

// use is one use of a key.
type use struct {
	Key   string
	Quota int // of the key in a window, 1 to a million; it should be the same each time
}

// quotaState is what is left of a key's quota.
type quotaState struct {
	Left int           // uses that could be made now
	Wait time.Duration // until one more is restored; 0 if none is missing
}

func newLimiter(cfg limiterConfig) *limiter {
	if cfg.Window <= 0 {
		cfg.Window = time.Minute
	}
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 1 << 16
	}
	keys, err := simplelru.NewLRU[string, *entry](cfg.MaxKeys, nil)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return &limiter{cfg: cfg, keys: keys}
}

// Take makes all uses if each key has one left, and otherwise none; the keys with
// nothing left are then the reason. It asks the counter at most once, which bounds
// its time. While the counter is unreachable this process decides by what it has
// seen, so a key may be used up to its quota in each replica.
func (l *limiter) Take(ctx context.Context, uses ...use) (ok bool, states []quotaState) {
	ok, ask, states := l.decide(uses, l.cfg.Counter != nil)
	if !ask {
		return ok, states
	}
	keys, quotas, intervals := make([]string, len(uses)), make([]int, len(uses)), make([]time.Duration, len(uses))
	for i, u := range uses {
		keys[i], quotas[i], intervals[i] = l.cfg.Prefix+u.Key, u.Quota, l.interval(u)
	}
	owed := l.settle(uses)
	ok, full, err := l.cfg.Counter.Consume(ctx, keys, quotas, owed, intervals)
	if err != nil {
		// What was owed stays counted here and is lost there.
		ok, _, states = l.decide(uses, false)
		return ok, states
	}
	return ok, l.learn(uses, ok, full)
}

// Look reports, from what this process knows, whether the key can be used.
func (l *limiter) Look(u use) (ok bool, s quotaState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	full := now
	if e, ok := l.keys.Peek(u.Key); ok {
		full = later(e.full, now)
	}
	return l.fits(u, full, now), l.state(u, full, now)
}

// decide makes the uses by what this process knows. With asking it leaves them to the
// counter (ask) if one of them completes a batch. A refusal needs no counter: the uses
// of other replicas cannot restore a quota.
func (l *limiter) decide(uses []use, asking bool) (ok, ask bool, states []quotaState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	ok = true
	for _, u := range uses {
		e := l.entry(u.Key)
		e.full = later(e.full, now)
		ok = ok && l.fits(u, e.full, now)
		ask = ask || asking && e.owed+1 >= batch(u)
	}
	if ok && ask {
		return false, true, nil
	}
	states = make([]quotaState, len(uses))
	for i, u := range uses {
		e := l.entry(u.Key)
		if ok {
			e.full = e.full.Add(l.interval(u))
			if asking {
				e.owed++
			}
		}
		states[i] = l.state(u, e.full, now)
	}
	return ok, false, states
}

// settle returns what is owed to the counter, and resets it.
func (l *limiter) settle(uses []use) (owed []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owed = make([]int, len(uses))
	for i, u := range uses {
		e := l.entry(u.Key)
		owed[i], e.owed = e.owed, 0
	}
	return owed
}

// learn merges the counter's answer. Uses made here during the call are owed to the
// counter and not in the answer.
func (l *limiter) learn(uses []use, ok bool, full []time.Duration) []quotaState {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	states := make([]quotaState, len(uses))
	for i, u := range uses {
		e, interval := l.entry(u.Key), l.interval(u)
		known := later(e.full, now)
		if ok {
			known = known.Add(interval)
		}
		e.full = later(known, now.Add(full[i]+time.Duration(e.owed)*interval))
		states[i] = l.state(u, e.full, now)
	}
	return states
}

// entry returns the key's entry, which is new if the key is. l.mu is held.
func (l *limiter) entry(key string) *entry {
	e, ok := l.keys.Get(key)
	if !ok {
		e = &entry{}
		l.keys.Add(key, e)
	}
	return e
}

// interval returns the time in which one use is restored, in whole microseconds as
// the counter has it.
func (l *limiter) interval(u use) time.Duration {
	return max((l.cfg.Window / time.Duration(u.Quota)).Truncate(time.Microsecond), time.Microsecond)
}

// fits reports whether one more use fits into a quota that is restored at full.
func (l *limiter) fits(u use, full, now time.Time) bool {
	return full.Sub(now)+l.interval(u) <= time.Duration(u.Quota)*l.interval(u)
}

func (l *limiter) state(u use, full, now time.Time) quotaState {
	interval := l.interval(u)
	free := time.Duration(u.Quota)*interval - full.Sub(now)
	s := quotaState{Left: max(int(free/interval), 0)}
	if s.Left < u.Quota {
		s.Wait = time.Duration(s.Left+1)*interval - free
	}
	return s
}

func batch(u use) int { return min(max(u.Quota/batchPart, 1), maxBatch) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
