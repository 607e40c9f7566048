package queue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sirupsen/logrus"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

func TestConsumeEachMessageOnce(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(4)
	var seen tally
	var mu sync.Mutex
	bodies := map[string]string{}
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		mu.Lock()
		bodies[d.MessageID] = string(d.Body)
		mu.Unlock()
		if d.Redelivered || d.Reason != "" {
			t.Errorf("redelivered %v, reason %q", d.Redelivered, d.Reason)
		}
		seen.add(d.MessageID)
		return queue.Ack
	})
	stop := start(t, b)
	ready(t, b)

	msgs := messages(300)
	publish(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
	stop()

	want := map[string]string{}
	for _, m := range msgs {
		want[m.ID] = string(m.Body)
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Error(diff)
	}
	if seen.total() != len(msgs) {
		t.Errorf("%d deliveries of %d messages", seen.total(), len(msgs))
	}
	if left := len(r.get(t, r.work())); left != 0 {
		t.Errorf("%d messages were acknowledged and are still there", left)
	}
}

func TestHandlersRunConcurrently(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	const workers = 3
	b := r.broker(workers)
	began := make(chan struct{}, workers)
	release := make(chan struct{})
	b.Handle(func(context.Context, queue.Delivery) queue.Verdict {
		began <- struct{}{}
		<-release
		return queue.Ack
	})
	start(t, b)
	ready(t, b)
	publish(t, b, messages(workers))
	for range workers {
		testenv.Receive(t, "all workers to be busy at once", began)
	}
	close(release)
}

func TestRejectMovesToDeadLetterQueue(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(2)
	dead := make(chan queue.Delivery, 10)
	b.Handle(func(context.Context, queue.Delivery) queue.Verdict { return queue.Reject })
	b.HandleDead(func(_ context.Context, d queue.Delivery) queue.Verdict {
		dead <- d
		return queue.Ack
	})
	stop := start(t, b)
	ready(t, b)

	msgs := messages(3)
	publish(t, b, msgs)
	got, want := map[string]queue.Delivery{}, map[string]queue.Delivery{}
	for _, m := range msgs {
		d := testenv.Receive(t, "a dead letter", dead)
		got[d.MessageID] = d
		want[m.ID] = queue.Delivery{Body: m.Body, MessageID: m.ID, Reason: "rejected"}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stop()
	if left := len(r.get(t, r.dead())); left != 0 {
		t.Errorf("%d dead letters were acknowledged and are still there", left)
	}
}

func TestDeliveryLimitDeadLetters(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(0)
	dead := make(chan queue.Delivery, 1)
	b.HandleDead(func(_ context.Context, d queue.Delivery) queue.Verdict {
		dead <- d
		return queue.Ack
	})
	start(t, b)
	ready(t, b)
	msgs := messages(1)
	publish(t, b, msgs)

	deliveries, err := r.ch.Consume(r.work(), "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	times := 0
	for {
		select {
		case d := <-deliveries:
			times++
			if err := d.Nack(false, true); err != nil {
				t.Fatal(err)
			}
			continue
		case d := <-dead:
			if d.MessageID != msgs[0].ID || d.Reason != "delivery_limit" {
				t.Errorf("dead letter %+v", d)
			}
		case <-time.After(time.Minute):
			t.Fatal("the delivery limit has not ended the loop")
		}
		break
	}
	if times < 20 || times > 21 {
		t.Errorf("delivered %d times before it was dead-lettered", times)
	}
}

// Leave must come again, neither at once nor at the price of the delivery limit.
func TestLeaveComesAgain(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(1)
	type call struct {
		d  queue.Delivery
		at time.Time
	}
	calls := make(chan call, 10)
	left := make(chan struct{})
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		calls <- call{d, time.Now()}
		select {
		case <-left:
			return queue.Ack
		default:
			return queue.Leave
		}
	})
	stop := start(t, b)
	ready(t, b)
	msgs := messages(1)
	publish(t, b, msgs)

	first := testenv.Receive(t, "the first delivery", calls)
	second := testenv.Receive(t, "the delivery to come again", calls)
	if pause := second.at.Sub(first.at); pause < 200*time.Millisecond {
		t.Errorf("it came again after %v", pause)
	}
	if first.d.Redelivered || !second.d.Redelivered || second.d.MessageID != msgs[0].ID {
		t.Errorf("deliveries %+v, then %+v", first.d, second.d)
	}
	stop()
	// Handed back once, by the end of the connection, however often it came again.
	all := r.get(t, r.work())
	if len(all) != 1 || deliveryCount(all[0]) > 1 {
		t.Fatalf("%d messages left, delivery count %d", len(all), deliveryCount(all[0]))
	}
}

// Dead letters have nowhere to go: whatever their handler does, they must stay.
func TestDeadLettersAreNeverLost(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(0)
	calls := make(chan string, 10)
	b.HandleDead(func(_ context.Context, d queue.Delivery) queue.Verdict {
		calls <- d.MessageID
		if len(d.Body) == 0 {
			panic("no body")
		}
		return queue.Reject
	})
	stop := start(t, b)
	ready(t, b)
	if err := r.ch.PublishWithContext(t.Context(), r.exchange(), "", true, false, amqp.Publishing{MessageId: "empty"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		testenv.Receive(t, "the handler to panic", calls)
	}
	stop()
	if got := r.get(t, r.dead()); len(got) != 1 {
		t.Errorf("%d dead letters left, want 1", len(got))
	}

	again := r.broker(0)
	again.HandleDead(func(_ context.Context, d queue.Delivery) queue.Verdict {
		calls <- d.MessageID
		return queue.Reject
	})
	stop = start(t, again)
	ready(t, again)
	if err := r.ch.PublishWithContext(t.Context(), r.exchange(), "", true, false, amqp.Publishing{MessageId: "rejected"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		testenv.Receive(t, "the dead letter to come again", calls)
	}
	stop()
	if got := r.get(t, r.dead()); len(got) != 1 {
		t.Errorf("%d dead letters left, want 1", len(got))
	}
}

func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(2)
	var seen tally
	dead := make(chan queue.Delivery, 1)
	b.Handle(func(_ context.Context, d queue.Delivery) queue.Verdict {
		seen.add(d.MessageID)
		if d.MessageID == "bad" {
			panic("bad message")
		}
		return queue.Ack
	})
	b.HandleDead(func(_ context.Context, d queue.Delivery) queue.Verdict {
		dead <- d
		return queue.Ack
	})
	start(t, b)
	ready(t, b)

	msgs := messages(20)
	publish(t, b, append([]queue.Message{{ID: "bad"}}, msgs...))
	testenv.Eventually(t, "the other messages to be handled", func() bool { return seen.missing(msgs) == 0 })
	if d := testenv.Receive(t, "the bad message to be dead-lettered", dead); d.MessageID != "bad" || d.Reason != "rejected" {
		t.Errorf("dead letter %+v", d)
	}
	if got := seen.total() - len(msgs); got != 3 {
		t.Errorf("the handler panicked %d times, want 3", got)
	}
	logged := 0
	for _, entry := range r.hook.AllEntries() {
		if entry.Level == logrus.ErrorLevel && entry.Data["panic"] == "bad message" && entry.Data["stack"] != "" {
			logged++
		}
	}
	if logged != 3 {
		t.Errorf("%d panics in the log, want 3", logged)
	}
}

// A process that serves the API alone must not take messages it will not handle.
func TestNoWorkersNoConsumer(t *testing.T) {
	t.Parallel()
	ack := func(context.Context, queue.Delivery) queue.Verdict { return queue.Ack }
	for name, tc := range map[string]struct {
		workers      int
		handle, dead queue.Handler
		connections  int // the third one consumes
	}{
		"no handlers":  {3, nil, nil, 2},
		"no workers":   {0, ack, nil, 2},
		"handler":      {3, ack, nil, 3},
		"dead letters": {0, ack, ack, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newEnvironment(t)
			p := newProxy(t, r.url)
			p.listen(t)
			b := r.broker(tc.workers, p.url)
			b.Handle(tc.handle)
			b.HandleDead(tc.dead)
			start(t, b)
			ready(t, b)
			if got := p.count(); got != tc.connections {
				t.Errorf("%d connections, want %d", got, tc.connections)
			}
		})
	}
}

func deliveryCount(d amqp.Delivery) int64 {
	count, _ := d.Headers["x-delivery-count"].(int64)
	return count
}
