package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"vitrine/imaging/process/memory"
)

func acquire(t *testing.T, b *memory.Budget, bytes int64) *memory.Grant {
	t.Helper()
	g, err := b.Acquire(t.Context(), bytes)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// queued starts a request that has to wait, and returns once it waits. A second request,
// which gives up, shows that the first one is in the queue.
func queued(t *testing.T, b *memory.Budget, bytes int64) <-chan *memory.Grant {
	t.Helper()
	before := b.Waiting()
	granted := make(chan *memory.Grant, 1)
	go func() {
		g, err := b.Acquire(context.WithoutCancel(t.Context()), bytes)
		if err == nil {
			granted <- g
		}
	}()
	for b.Waiting() == before {
		select {
		case g := <-granted:
			granted <- g
			return granted
		default:
			runtime.Gosched()
		}
	}
	return granted
}

func isGranted(granted <-chan *memory.Grant) bool {
	return len(granted) == 1
}

func TestAcquireTakesAndReleases(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	g := acquire(t, b, 60)
	if b.Used() != 60 || b.Total() != 100 {
		t.Errorf("%d of %d are used", b.Used(), b.Total())
	}
	g.Shrink(80)
	if b.Used() != 60 {
		t.Errorf("shrinking to more took %d", b.Used())
	}
	g.Shrink(10)
	if b.Used() != 10 {
		t.Errorf("%d are used after shrinking to 10", b.Used())
	}
	g.Release()
	g.Release()
	if b.Used() != 0 {
		t.Errorf("%d are used after two releases", b.Used())
	}
}

func TestAcquireRefusesWhatNeverFits(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	if _, err := b.Acquire(t.Context(), 101); !errors.Is(err, memory.ErrNeverFits) {
		t.Errorf("error is %v", err)
	}
	acquire(t, b, 100)
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	held := acquire(t, b, 50)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := b.Acquire(ctx, 80)
		failed <- err
	}()
	for b.Waiting() == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if b.Waiting() != 0 {
		t.Error("it still waits")
	}
	held.Release()
	if b.Used() != 0 {
		t.Errorf("%d are used", b.Used())
	}
	if _, err := b.Acquire(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error with an ended context is %v", err)
	}
}

func TestSmallPassesLarge(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	held := acquire(t, b, 50)
	large := queued(t, b, 80)
	small := acquire(t, b, 40)
	if isGranted(large) {
		t.Error("the large one fits although it does not")
	}
	small.Release()
	held.Release()
	(<-large).Release()
}

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	held := acquire(t, b, 100)
	first, second := queued(t, b, 60), queued(t, b, 60)
	held.Release()
	g := <-first
	if isGranted(second) {
		t.Error("the second was granted with the first")
	}
	g.Release()
	(<-second).Release()
}

// An endless stream of small requests, some of which are always granted, must not keep a
// large one waiting for ever.
func TestLargeIsNotStarved(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	held := acquire(t, b, 10)
	large := queued(t, b, 100)
	passed := 0
	for {
		next := queued(t, b, 10)
		if !isGranted(next) {
			held.Release() // the last small one ends
			(<-large).Release()
			(<-next).Release()
			break
		}
		passed++
		if passed > memory.MaxPasses {
			t.Fatalf("%d passed", passed)
		}
		held.Release()
		held = <-next
	}
	if passed != memory.MaxPasses {
		t.Errorf("%d passed, want %d", passed, memory.MaxPasses)
	}
}

// When a large request gives up, those that it blocked must be granted.
func TestGivingUpFreesTheOthers(t *testing.T) {
	t.Parallel()
	b := memory.New(100)
	held := acquire(t, b, 10)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = b.Acquire(ctx, 100) // only its end matters
	}()
	for b.Waiting() == 0 {
		runtime.Gosched()
	}
	for range memory.MaxPasses {
		acquire(t, b, 10).Release()
	}
	blocked := queued(t, b, 10)
	if isGranted(blocked) {
		t.Fatal("the large one was passed too often")
	}
	cancel()
	<-gone
	(<-blocked).Release()
	held.Release()
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	const total = 1000
	b := memory.New(total)
	var used, granted atomic.Int64
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 300 {
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				bytes := 1 + r.Int64N(total)
				g, err := b.Acquire(ctx, bytes)
				if err == nil {
					granted.Add(1)
					if now := used.Add(bytes); now > total {
						t.Errorf("%d of %d are used", now, total)
					}
					used.Add(-bytes)
					g.Shrink(bytes / 2)
					g.Release()
				}
				cancel()
			}
		})
	}
	group.Wait()
	if b.Used() != 0 || b.Waiting() != 0 {
		t.Errorf("%d used and %d waiting in the end", b.Used(), b.Waiting())
	}
	if granted.Load() < 16*300/2 {
		t.Errorf("only %d were granted", granted.Load())
	}
}
