package queue_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

// However often the connections are cut, whatever is published is handled.
func TestHealsAfterCuts(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(4, p.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	stop := start(t, b)

	var all []queue.Message
	for range 4 {
		ready(t, b)
		msgs := messages(50)
		done := make(chan struct{})
		go func() {
			defer close(done)
			publishUntil(t, b, msgs)
		}()
		testenv.Eventually(t, "the first messages", func() bool { return seen.missing(msgs) < len(msgs) })
		if p.cut() == 0 {
			t.Error("no connection was there to cut")
		}
		testenv.Receive(t, "the batch to be published", done)
		all = append(all, msgs...)
	}
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(all) == 0 })
	testenv.Eventually(t, "the queue to be empty", func() bool {
		depth, err := b.Depth(t.Context())
		return err == nil && depth == 0
	})
	stop()
	if dead := r.get(t, r.dead()); len(dead) != 0 {
		t.Errorf("%d messages were dead-lettered", len(dead))
	}
}

// Each of the three connections may be lost alone.
func TestHealsAfterLossOfOneConnection(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(2, p.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	for i := range 3 {
		testenv.Eventually(t, "a session of three connections", func() bool {
			return b.Check(t.Context()) == nil && p.each(func(*pair) {}) == 3
		})
		p.one(i, (*pair).cut)
		testenv.Eventually(t, "the loss to be noticed", func() bool { return p.each(func(*pair) {}) < 3 })
		msgs := messages(10)
		publishUntil(t, b, msgs)
		testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
	}
}

// A network that swallows everything causes no error: only a timeout shows it.
func TestHealsAfterBlackHole(t *testing.T) {
	t.Parallel()
	type story struct {
		name  string
		cause string // in the log
		trick func(*pair)
		env   *environment
		proxy *proxy
		b     *queue.Broker
		seen  *tally
	}
	// In the order in which a session makes its connections. To the first two the
	// broker still speaks, so that heartbeats say nothing.
	stories := []story{
		{name: "control", cause: "declare topology again", trick: (*pair).deafen},
		{name: "publish", cause: "confirms are overdue", trick: (*pair).deafen},
		{name: "consume", cause: "i/o timeout", trick: (*pair).freeze},
	}
	for i := range stories {
		s := &stories[i]
		s.env, s.seen = newEnvironment(t), &tally{}
		s.proxy = newProxy(t, s.env.url)
		s.proxy.listen(t)
		s.b = s.env.broker(2, s.proxy.url)
		s.b.Handle(acknowledge(s.seen))
		start(t, s.b)
		ready(t, s.b)
		s.proxy.one(i, s.trick)
		// Nothing is overdue where nothing was asked for.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		s.b.Publish(ctx, messages(1))
		cancel()
	}
	for _, s := range stories {
		msgs := messages(20)
		publishUntil(t, s.b, msgs)
		testenv.Eventually(t, "all messages to be handled: "+s.name, func() bool { return s.seen.missing(msgs) == 0 })
		testenv.Eventually(t, "a new session: "+s.name, func() bool {
			return s.proxy.count() >= 2*len(stories) && s.b.Check(t.Context()) == nil
		})
		if !s.env.logged(s.cause) {
			t.Errorf("%s: the session did not end because of %q", s.name, s.cause)
		}
	}
}

func TestHealsAfterTotalSilence(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(2, p.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	ready(t, b)
	p.freeze()
	msgs := messages(20)
	publishUntil(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
}

func TestHealsAfterRefusals(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(2, p.url)
	var seen tally
	b.Handle(acknowledge(&seen))
	start(t, b)
	ready(t, b)
	p.refuse()
	p.cut()
	testenv.Eventually(t, "Check to fail", func() bool { return b.Check(t.Context()) != nil })
	p.listen(t)
	msgs := messages(20)
	publishUntil(t, b, msgs)
	testenv.Eventually(t, "all messages to be handled", func() bool { return seen.missing(msgs) == 0 })
}

// What somebody deletes on the broker is declared again, also by a process that
// neither publishes nor consumes.
func TestDeclaresAgainWhatWasDeleted(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*environment) error{
		"work queue": func(r *environment) error {
			_, err := r.ch.QueueDelete(r.work(), false, false, false)
			return err
		},
		"dead-letter queue": func(r *environment) error {
			_, err := r.ch.QueueDelete(r.dead(), false, false, false)
			return err
		},
		"exchange": func(r *environment) error { return r.ch.ExchangeDelete(r.exchange(), false, false) },
		"binding":  func(r *environment) error { return r.ch.QueueUnbind(r.dead(), "", r.exchange(), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newEnvironment(t)
			b := r.broker(0)
			start(t, b)
			ready(t, b)
			if !r.intact(t) {
				t.Fatal("the topology is not there")
			}
			if err := remove(r); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, "the topology to be back", func() bool { return r.intact(t) })
		})
	}
}

// intact reports whether the work queue is there and the exchange leads to the
// dead-letter queue.
func (r *environment) intact(t *testing.T) bool {
	t.Helper()
	ch, err := r.conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	if _, err := ch.QueueDeclarePassive(r.work(), true, false, false, false, nil); err != nil {
		return false
	}
	if err := ch.Confirm(false); err != nil {
		return false
	}
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	confirm, err := ch.PublishWithDeferredConfirm(r.exchange(), "", true, false, amqp.Publishing{})
	if err != nil {
		return false
	}
	// Returned, or neither because the exchange is missing and the channel closed.
	return confirm.Wait() && len(returns) == 0
}

// A deleted queue cancels its consumer without any connection being lost.
func TestConsumesAgainAfterQueueWasDeleted(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	b := r.broker(2)
	var dead tally
	b.Handle(func(context.Context, queue.Delivery) queue.Verdict { return queue.Reject })
	b.HandleDead(acknowledge(&dead))
	start(t, b)
	for _, name := range []string{r.work(), r.dead()} {
		ready(t, b)
		if _, err := r.ch.QueueDelete(name, false, false, false); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "the loss to be noticed", func() bool { return b.Check(t.Context()) != nil })
		msgs := messages(5)
		publishUntil(t, b, msgs)
		testenv.Eventually(t, "all messages to pass both queues", func() bool { return dead.missing(msgs) == 0 })
	}
}
