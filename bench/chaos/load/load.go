// Package load is the clients of a chaos run: they create, change, read, delete and
// list products, and write down what they did and saw.
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

// Config says how much is asked for.
type Config struct {
	URL     string
	Rate    float64 // operations a second, at most
	Clients int     // at once
	// PictureShare is the part of the creates that have one or two pictures.
	PictureShare float64
	// MaxProducts is how many products there are before some have to go, so that a
	// long run's store stays small; zero is no bound.
	MaxProducts int
	Seed        uint64
}

// Load is the clients.
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
	slot  time.Time // of the next operation
	swept map[string]bool

	bursts *rand.Rand // of the one burst at a time
}

// New makes the clients and their user.
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
		return nil, errors.New("create the user: no id in the answer")
	}
	return l, nil
}

// Acknowledged is how many operations had a whole 2xx answer so far.
func (l *Load) Acknowledged() int64 { return l.acknowledged.Load() }

// Pictures is how many pictures were accepted so far.
func (l *Load) Pictures() int64 { return l.pictures.Load() }

func (l *Load) record(op history.Op) {
	if op.Outcome == history.Acknowledged {
		l.acknowledged.Add(1)
	}
	l.log.Add(op)
}

// Run works until ctx ends. What is under way then is finished.
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

// Burst creates n products with a picture each, all at once, so that there is much
// under way when something breaks. It returns when all have ended.
func (l *Load) Burst(ctx context.Context, n int) {
	var creates sync.WaitGroup
	for range n {
		picture := l.source.Pick(l.bursts)
		creates.Go(func() { l.createWith(ctx, []history.Picture{picture}) })
	}
	creates.Wait()
}

// Pause lets the operations under way finish and holds back others until the
// function that it gives is called.
func (l *Load) Pause() (resume func()) {
	l.gate.Lock()
	return l.gate.Unlock
}

// turn waits for the next slot; false when ctx has ended. After a time in which
// the clients were stuck they catch up for no more than a second's worth.
func (l *Load) turn(ctx context.Context) bool {
	l.pace.Lock()
	now := time.Now()
	if l.slot.Before(now.Add(-time.Second)) {
		l.slot = now.Add(-time.Second)
	}
	slot := l.slot
	l.slot = l.slot.Add(l.interval())
	l.pace.Unlock()
	return ctx.Err() == nil && wait(ctx, time.Until(slot))
}

// charge takes a slot for an operation that did not wait for one.
func (l *Load) charge() {
	l.pace.Lock()
	defer l.pace.Unlock()
	l.slot = l.slot.Add(l.interval())
}

func (l *Load) interval() time.Duration { return time.Duration(float64(time.Second) / l.cfg.Rate) }

// step does one operation, drawn from the mix.
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
