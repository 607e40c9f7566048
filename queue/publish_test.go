package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

func TestPublishStoresMessages(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(0)
	start(t, b)
	ready(t, b)

	msgs := messages(200)
	publish(t, b, msgs)
	depth, err := b.Depth(t.Context())
	if err != nil || depth != len(msgs) {
		t.Errorf("Depth gave %d, %v, want %d", depth, err, len(msgs))
	}
	got := map[string]string{}
	for _, d := range r.get(t, r.work()) {
		got[d.MessageId] = string(d.Body)
		if d.DeliveryMode != amqp.Persistent || d.ContentType != "application/json" {
			t.Fatalf("delivery mode %d, content type %q", d.DeliveryMode, d.ContentType)
		}
	}
	want := map[string]string{}
	for _, m := range msgs {
		want[m.ID] = string(m.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPublishRefusesWhatNoBrokerTakes(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(0)
	start(t, b)
	ready(t, b)

	good := messages(2)
	errs := b.Publish(t.Context(), []queue.Message{
		good[0],
		{ID: strings.Repeat("x", 256)},
		{ID: "big", Body: make([]byte, 1<<20+1)},
		good[1],
	})
	for i, invalid := range []bool{false, true, true, false} {
		if invalid != errors.Is(errs[i], queue.ErrInvalidMessage) || !invalid && errs[i] != nil {
			t.Errorf("message %d: %v", i, errs[i])
		}
	}
	if got := len(r.get(t, r.work())); got != 2 {
		t.Errorf("%d messages in the queue, want 2", got)
	}
	if errs := b.Publish(t.Context(), nil); len(errs) != 0 {
		t.Errorf("publishing nothing gave %v", errs)
	}
}

func TestPublishWithoutSession(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(0)
	errs := b.Publish(t.Context(), messages(2))
	if len(errs) != 2 || !errors.Is(errs[0], queue.ErrUnavailable) || !errors.Is(errs[1], queue.ErrUnavailable) {
		t.Errorf("Publish gave %v", errs)
	}
	if err := b.Check(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Check gave %v", err)
	}
	if _, err := b.Depth(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Depth gave %v", err)
	}
}

func TestPublishHonoursContext(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(0, p.url)
	start(t, b)
	ready(t, b)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if errs := b.Publish(ended, messages(1)); !errors.Is(errs[0], context.Canceled) {
		t.Errorf("with an ended context: %v", errs[0])
	}

	p.freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	errs := b.Publish(ctx, messages(3))
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("Publish took %v with a context of 200 ms", took)
	}
	for _, err := range errs {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish gave %v", err)
		}
	}
	if _, err := b.Depth(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Depth gave %v", err)
	}
}

func TestPublishFailsFastWhileBlocked(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(0, p.url)
	start(t, b)
	ready(t, b)

	p.block(t)
	testenv.Eventually(t, "Check to report the alarm", func() bool { return errors.Is(b.Check(t.Context()), queue.ErrBlocked) })
	if errs := b.Publish(t.Context(), messages(1)); !errors.Is(errs[0], queue.ErrBlocked) || !errors.Is(errs[0], queue.ErrUnavailable) {
		t.Errorf("Publish gave %v", errs[0])
	}
	p.unblock(t)
	testenv.Eventually(t, "Check to report the end of the alarm", func() bool { return b.Check(t.Context()) == nil })
	publish(t, b, messages(1))
}

// A broker whose alarm comes while confirms are awaited must not hold the caller.
func TestPublishFailsFastWhenBlockedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(0, p.url)
	start(t, b)
	ready(t, b)

	p.freeze()
	result := make(chan []error, 1)
	begun := time.Now()
	go func() { result <- b.Publish(t.Context(), messages(200)) }()
	p.block(t)
	for _, err := range testenv.Receive(t, "Publish to return", result) {
		if !errors.Is(err, queue.ErrBlocked) {
			t.Fatalf("Publish gave %v", err)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Publish took %v", took)
	}
}

// What is not routed must not count as published, though the broker confirms it.
// Many publish at the same moment because each has one try: its session ends then.
func TestPublishToDeletedQueue(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	brokers := make([]*queue.Broker, 30)
	for i := range brokers {
		brokers[i] = r.broker(0)
		start(t, brokers[i])
	}
	for _, b := range brokers {
		ready(t, b)
	}
	if _, err := r.ch.QueueDelete(r.work(), false, false, false); err != nil {
		t.Fatal(err)
	}
	type result struct {
		id  string
		err error
	}
	results := make(chan result, len(brokers))
	for _, b := range brokers {
		go func() {
			m := messages(1)
			results <- result{m[0].ID, b.Publish(t.Context(), m)[0]}
		}()
	}
	published := map[string]bool{}
	for range brokers {
		got := testenv.Receive(t, "Publish to return", results)
		if got.err == nil {
			published[got.id] = true
		} else if !errors.Is(got.err, queue.ErrUnavailable) {
			t.Error(got.err)
		}
	}
	if len(published) > len(brokers)/2 {
		t.Errorf("%d of %d messages count as published into a queue that was not there", len(published), len(brokers))
	}
	// The queue may have come back in that moment: then it holds them.
	publishUntil(t, brokers[0], messages(1))
	for _, d := range r.get(t, r.work()) {
		delete(published, d.MessageId)
	}
	if len(published) > 0 {
		t.Errorf("%d messages count as published and are gone", len(published))
	}
}
