// Package limit says how often a key may be used: so many times at once, and so
// many times in a window on end. All replicas share the count of a key where they
// can; each counts for itself where they cannot.
//
// A key has a quota of uses, which come back one by one over the window (the generic
// cell rate algorithm: a bucket of tokens without the bucket). A key that was left
// alone may be used quota times at once, and then once in every quota-th part of the
// window.
package limit

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Counter keeps the counts that replicas share. Its method is that of the cache.
type Counter interface {
	// Consume counts one use of every key if each has one left, else of none, and
	// tells how long each takes to have its whole quota again. What is owed was
	// used before, and is counted in any case. It ends soon, also when whoever
	// keeps the counts does not answer.
	Consume(ctx context.Context, keys []string, quotas, owed []int, intervals []time.Duration) (allowed bool, full []time.Duration, err error)
}

// Config is how a Limiter counts.
type Config struct {
	Counter Counter       // nil: this process counts alone
	Prefix  string        // of the counter's keys, which tells this installation's from others'
	Window  time.Duration // in which a whole quota comes back; a minute if zero
	MaxKeys int           // that this process remembers, the last used; 65,536 if zero, some 15 MiB
}

// A process asks the counter with every hundredth use of a quota, 100 at most, and
// lets the uses in between pass by what it knows. So up to a hundredth of a quota too
// much may pass for each replica; it is owed to the counter and missing later.
const (
	batchPart = 100
	maxBatch  = 100
)

// Limiter counts uses. All methods are safe for concurrent use.
type Limiter struct {
	cfg Config

	mu    sync.Mutex
	keys  map[string]*list.Element // of *entry
	order *list.List               // the last used first
}

// entry is what this process knows of a key. The truth is at least that.
type entry struct {
	name string
	full time.Time // when the whole quota is there again
	owed int       // uses that the counter has not been told of
}

// Use is one use of a key.
type Use struct {
	Key   string
	Quota int // of the key in a window, 1 to a million; it should be the same each time
}

// State is how things stand with a key.
type State struct {
	Left int           // uses that could be made now
	Wait time.Duration // until there is one more; 0 when all are there
}

// New makes a limiter.
func New(cfg Config) *Limiter {
	if cfg.Window <= 0 {
		cfg.Window = time.Minute
	}
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 1 << 16
	}
	return &Limiter{cfg: cfg, keys: map[string]*list.Element{}, order: list.New()}
}

// Window is the time in which a whole quota comes back.
func (l *Limiter) Window() time.Duration { return l.cfg.Window }

// Take makes all uses if each key has one left, and otherwise none: then those with
// nothing left are the reason. It asks the counter once at most, which bounds what it
// takes. Without the counter this process decides by what it has seen itself, so that
// a key may be used up to its quota in each replica.
func (l *Limiter) Take(ctx context.Context, uses ...Use) (ok bool, states []State) {
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
		// What was owed stays known here and is forgotten there.
		ok, _, states = l.decide(uses, false)
		return ok, states
	}
	return ok, l.learn(uses, ok, full)
}

// Look tells, from what this process knows alone, whether the key can be used.
func (l *Limiter) Look(u Use) (ok bool, s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	full := now
	if at := l.keys[u.Key]; at != nil {
		full = later(at.Value.(*entry).full, now)
	}
	return l.fits(u, full, now), l.state(u, full, now)
}

// decide makes the uses by what this process knows. With asking it leaves them to the
// counter (ask) where one of them completes a batch; a refusal needs no counter, since
// others' uses cannot make more of a key.
func (l *Limiter) decide(uses []Use, asking bool) (ok, ask bool, states []State) {
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
	states = make([]State, len(uses))
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

// settle takes over what is owed to the counter.
func (l *Limiter) settle(uses []Use) (owed []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owed = make([]int, len(uses))
	for i, u := range uses {
		e := l.entry(u.Key)
		owed[i], e.owed = e.owed, 0
	}
	return owed
}

// learn takes in the counter's answer. What was used here while it was under way is
// owed to the counter by now, and not in the answer.
func (l *Limiter) learn(uses []Use, ok bool, full []time.Duration) []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	states := make([]State, len(uses))
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

// entry gives the key's entry, a new one in the place of the longest unused where
// there is no room. l.mu is held.
func (l *Limiter) entry(key string) *entry {
	if at := l.keys[key]; at != nil {
		l.order.MoveToFront(at)
		return at.Value.(*entry)
	}
	if last := l.order.Back(); last != nil && l.order.Len() >= l.cfg.MaxKeys {
		delete(l.keys, last.Value.(*entry).name)
		l.order.Remove(last)
	}
	e := &entry{name: key}
	l.keys[key] = l.order.PushFront(e)
	return e
}

// interval is the time in which one use comes back, in whole microseconds as the
// counter has it.
func (l *Limiter) interval(u Use) time.Duration {
	return max((l.cfg.Window / time.Duration(u.Quota)).Truncate(time.Microsecond), time.Microsecond)
}

// fits says whether the quota has one more use when it is whole again at full.
func (l *Limiter) fits(u Use, full, now time.Time) bool {
	return full.Sub(now)+l.interval(u) <= time.Duration(u.Quota)*l.interval(u)
}

func (l *Limiter) state(u Use, full, now time.Time) State {
	interval := l.interval(u)
	free := time.Duration(u.Quota)*interval - full.Sub(now)
	s := State{Left: max(int(free/interval), 0)}
	if s.Left < u.Quota {
		s.Wait = time.Duration(s.Left+1)*interval - free
	}
	return s
}

func batch(u Use) int { return min(max(u.Quota/batchPart, 1), maxBatch) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
