// Package load has the clients of a chaos run. They create, change, read, delete and
// list products, and record what they did and saw. Begin reading at [Load.Run];
// [Load.Sweep] reads everything while they are paused.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/bench/chaos/history"
	"vitrine/bench/chaos/source"
)

// Config sets how many requests the clients send.
type Config struct {
	URL     string
	Rate    float64 // maximum operations per second
	Clients int     // number of concurrent clients
	// PictureShare is the fraction of the creates with one or two pictures.
	PictureShare float64
	// MaxProducts is the number of products from which on no more are created, so that
	// the data of a long run stays small; zero means no limit.
	MaxProducts int
	Seed        uint64
}

// Load is a set of clients.
type Load struct {
	cfg    Config
	client *client
	source *source.Source
	log    *history.Log
	shelf  shelf
	user   string
	run    string

	keys, values, acknowledged, pictures atomic.Int64

	gate  sync.RWMutex // held for reading by every operation
	pace  sync.Mutex
	next  time.Time // when the next operation may begin
	swept map[string]bool

	bursts *rand.Rand // used by one burst at a time
}

// New returns clients and creates their user.
func New(ctx context.Context, cfg Config, pictures *source.Source, log *history.Log) (*Load, error) {
	l := &Load{
		cfg: cfg, client: newClient(cfg.URL, log), source: pictures, log: log,
		run: fmt.Sprintf("%x", time.Now().UnixNano()), swept: map[string]bool{},
		bursts: rand.New(rand.NewPCG(cfg.Seed, 1<<32)),
	}
	body := fmt.Appendf(nil, `{"name":"Chaos","email":"%s@example.com"}`, l.run)
	header := map[string]string{"Content-Type": "application/json", "Idempotency-Key": l.run}
	var op history.Op
	a := l.client.do(ctx, &op, "POST", "/users", header, body)
	if a == nil || op.Outcome != history.Acknowledged {
		return nil, fmt.Errorf("create the user: status %d %s", op.Status, op.Error)
	}
	var envelope struct {
		Data struct {
			ID json.Number `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil {
		return nil, err
	}
	if l.user = envelope.Data.ID.String(); l.user == "" {
		return nil, errors.New("create the user: no id in the response")
	}
	return l, nil
}

// Acknowledged returns the number of operations with a complete 2xx response so far.
func (l *Load) Acknowledged() int64 { return l.acknowledged.Load() }

// Pictures returns the number of pictures that were accepted so far.
func (l *Load) Pictures() int64 { return l.pictures.Load() }

// record counts and logs an operation.
func (l *Load) record(op history.Op) {
	if op.Outcome == history.Acknowledged {
		l.acknowledged.Add(1)
	}
	l.log.Add(op)
}

// Run sends requests until ctx ends, and returns when those in progress have ended.
func (l *Load) Run(ctx context.Context) {
	var clients sync.WaitGroup
	for i := range l.cfg.Clients {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(l.cfg.Seed, uint64(i)))
			for l.turn(ctx) {
				l.gate.RLock()
				l.step(context.WithoutCancel(ctx), rng)
				l.gate.RUnlock()
			}
		})
	}
	clients.Wait()
}

// Burst creates n products with one picture each at the same time, so that many requests
// are in progress when something breaks. It returns when all have ended.
func (l *Load) Burst(ctx context.Context, n int) {
	var creates sync.WaitGroup
	for range n {
		picture := l.source.Pick(l.bursts)
		creates.Go(func() { l.createWith(ctx, []history.Picture{picture}) })
	}
	creates.Wait()
}

// Pause waits for the operations in progress and holds back others until resume is
// called.
func (l *Load) Pause() (resume func()) {
	l.gate.Lock()
	return l.gate.Unlock
}

// turn waits until the next operation may begin and reports whether ctx has not ended.
// Clients that were stuck catch up on one second of operations at most.
func (l *Load) turn(ctx context.Context) bool {
	l.pace.Lock()
	now := time.Now()
	if l.next.Before(now.Add(-time.Second)) {
		l.next = now.Add(-time.Second)
	}
	begin := l.next
	l.next = l.next.Add(l.interval())
	l.pace.Unlock()
	return ctx.Err() == nil && wait(ctx, time.Until(begin))
}

// charge delays later operations for one that did not wait for its turn.
func (l *Load) charge() {
	l.pace.Lock()
	defer l.pace.Unlock()
	l.next = l.next.Add(l.interval())
}

func (l *Load) interval() time.Duration { return time.Duration(float64(time.Second) / l.cfg.Rate) }

// step does one random operation.
func (l *Load) step(ctx context.Context, rng *rand.Rand) {
	full := l.cfg.MaxProducts > 0 && l.shelf.size() >= l.cfg.MaxProducts
	switch n := rng.IntN(100); {
	case n < 18 && !full:
		l.create(ctx, rng)
	case n < 60 && n >= 18:
		l.update(ctx, rng)
	case n < 66:
		l.remove(ctx, rng)
	case n < 74:
		l.list(ctx)
	case n < 77:
		if id := l.shelf.pickTaken(rng); id != "" {
			l.read(ctx, id, false)
		}
	default:
		if id := l.shelf.pick(rng); id != "" {
			l.read(ctx, id, false)
		}
	}
}
