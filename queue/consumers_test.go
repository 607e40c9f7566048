package queue_test

import (
	"context"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

// Consumers counts the processes that consume the work queue, not their workers.
func TestConsumers(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	count := func(b *queue.Broker) int {
		t.Helper()
		n, err := b.Consumers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	api := r.broker(0)
	start(t, api)
	ready(t, api)
	if n := count(api); n != 0 {
		t.Errorf("%d consumers", n)
	}
	for range 2 {
		worker := r.broker(3)
		worker.Handle(func(context.Context, queue.Delivery) queue.Verdict { return queue.Ack })
		start(t, worker)
		ready(t, worker)
	}
	testenv.Eventually(t, "two consumers", func() bool { return count(api) == 2 })
}
