package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

// Draining must hand back what was delivered and not begun, at the price of one
// counted delivery a message: a library that hands it back while it still
// consumes gets it again at once, over and over, until the limit is reached.
func TestDrainBurnsNoDeliveries(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	const workers, total = 30, 60
	b := r.broker(workers)
	began := make(chan string, total)
	release := make(chan struct{})
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		began <- d.MessageID
		<-release
		return queue.Ack
	})
	stop := start(t, b)
	ready(t, b)
	msgs := messages(total)
	publish(t, b, msgs)
	for range workers {
		testenv.Receive(t, "the workers to be busy", began)
	}

	drained := make(chan error, 1)
	go func() { drained <- b.Drain(t.Context()) }()
	// Handlers finish one after the other; what the broker sends in their place
	// is not begun any more.
	for range workers {
		select {
		case release <- struct{}{}:
		case err := <-drained:
			t.Fatalf("Drain returned %v with handlers running", err)
		case <-time.After(time.Minute):
			t.Fatal("no handler to release")
		}
	}
	if err := testenv.Receive(t, "Drain to return", drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if len(began) != 0 {
		t.Errorf("%d handlers began while draining", len(began))
	}

	publish(t, b, messages(5)) // still possible
	if err := b.Drain(t.Context()); err != nil {
		t.Errorf("Drain again: %v", err)
	}
	left := r.get(t, r.work())
	if len(left) != total-workers+5 {
		t.Errorf("%d messages left, want %d", len(left), total-workers+5)
	}
	for _, d := range left {
		if n := deliveryCount(d); n > 1 {
			t.Errorf("a message counts %d deliveries", n)
		}
	}
	if dead := r.get(t, r.dead()); len(dead) != 0 {
		t.Errorf("%d messages were dead-lettered", len(dead))
	}
	stop()
}

// Messages that were left wait in this process: Drain must wake and return them.
func TestDrainReturnsWhatWasLeft(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	const total = 10
	b := r.broker(total)
	began := make(chan string, 10*total)
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		began <- d.MessageID
		return queue.Leave
	})
	start(t, b)
	ready(t, b)
	publish(t, b, messages(total))
	for range total {
		testenv.Receive(t, "the messages to be left", began)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	left := r.get(t, r.work())
	if len(left) != total {
		t.Fatalf("%d messages left, want %d", len(left), total)
	}
	for _, d := range left {
		if n := deliveryCount(d); n > 1 {
			t.Errorf("a message counts %d deliveries", n)
		}
	}
}

func TestDrainInterruptsHandlers(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(1)
	began := make(chan struct{}, 1)
	b.Handle(func(ctx context.Context, _ queue.Delivery) queue.Verdict {
		began <- struct{}{}
		<-ctx.Done()
		return queue.Ack
	})
	start(t, b)
	ready(t, b)
	publish(t, b, messages(1))
	testenv.Receive(t, "the handler to begin", began)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain gave %v", err)
	}
	// It returned within its grace, so its verdict has been carried out.
	if left := r.get(t, r.work()); len(left) != 0 {
		t.Errorf("%d messages left, want 0", len(left))
	}
}

// A handler that ignores its context cannot hold the process.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(1)
	began := make(chan struct{}, 1)
	release := make(chan struct{})
	b.Handle(func(context.Context, queue.Delivery) queue.Verdict {
		began <- struct{}{}
		<-release
		return queue.Ack
	})
	stop := start(t, b)
	ready(t, b)
	publish(t, b, messages(1))
	testenv.Receive(t, "the handler to begin", began)
	at := time.Now()
	stop()
	if took := time.Since(at); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	close(release)
	if left := r.get(t, r.work()); len(left) != 1 {
		t.Errorf("%d messages left, want 1", len(left))
	}
}

// Handlers that return when their context ends can still settle their delivery.
func TestStopCarriesOutVerdicts(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(1)
	began := make(chan struct{}, 1)
	b.Handle(func(ctx context.Context, _ queue.Delivery) queue.Verdict {
		began <- struct{}{}
		<-ctx.Done()
		<-time.After(300 * time.Millisecond) // its own tidying up
		return queue.Reject
	})
	stop := start(t, b)
	ready(t, b)
	publish(t, b, messages(1))
	testenv.Receive(t, "the handler to begin", began)
	stop()
	testenv.Eventually(t, "the message to be dead-lettered", func() bool { return len(r.get(t, r.dead())) == 1 })
}

func TestStopEndsHandlerContexts(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(1, p.url)
	began := make(chan struct{}, 1)
	ended := make(chan struct{}, 1)
	b.Handle(func(ctx context.Context, _ queue.Delivery) queue.Verdict {
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return queue.Leave
	})
	stop := start(t, b)
	ready(t, b)
	publish(t, b, messages(1))
	testenv.Receive(t, "the handler to begin", began)
	// Also when nobody answers any more.
	p.freeze()
	at := time.Now()
	stop()
	if took := time.Since(at); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	testenv.Receive(t, "the handler's context to end", ended)
}

func TestDrainWithoutSession(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	b := r.broker(1, p.url)
	began := make(chan struct{}, 1)
	b.Handle(func(context.Context, queue.Delivery) queue.Verdict {
		began <- struct{}{}
		return queue.Ack
	})
	if err := b.Drain(t.Context()); err != nil {
		t.Errorf("Drain before Run: %v", err)
	}
	start(t, b)
	p.listen(t)
	ready(t, b)
	publish(t, b, messages(1))
	if got := p.count(); got != 2 {
		t.Errorf("%d connections after Drain, want 2: none to consume", got)
	}
	if left := r.get(t, r.work()); len(left) != 1 || len(began) != 0 {
		t.Errorf("%d messages left, %d handled after Drain", len(left), len(began))
	}
}
