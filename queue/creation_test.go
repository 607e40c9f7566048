package queue_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/bench/testenv"
)

// A broker that creates the work queue knows when; one that finds it reports no time.
func TestCreated(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	first, second := r.broker(0), r.broker(0)
	if got := first.Created(); !got.IsZero() {
		t.Errorf("before the session: %v", got)
	}
	before := time.Now()
	start(t, first)
	ready(t, first)
	made := first.Created()
	if made.Before(before) || made.After(time.Now()) {
		t.Fatalf("made at %v, begun at %v", made, before)
	}
	stop := start(t, second)
	ready(t, second)
	stop() // so that only the first one can notice what follows
	if got := second.Created(); !got.IsZero() {
		t.Errorf("a queue that was there was made at %v", got)
	}

	if _, err := r.ch.QueueDelete(r.work(), false, false, false); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the queue to be made again", func() bool { return first.Created().After(made) })
	// That it was missing is no reason to end the session.
	if err := first.Check(t.Context()); err != nil {
		t.Error(err)
	}
	publish(t, first, messages(1))
}

// Looking whether the queue is there, every few seconds, neither ends the session
// nor finds a queue missing that is there.
func TestCreatedStays(t *testing.T) {
	t.Parallel()
	r := newEnvironment(t)
	p := newProxy(t, r.url)
	p.listen(t)
	b := r.broker(0, p.url)
	start(t, b)
	ready(t, b)
	made, dialled := b.Created(), p.count()
	_, err := r.ch.QueueDelete(r.dead(), false, false, false)
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "another declaration", func() bool {
		ch, err := r.conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		_, err = ch.QueueDeclarePassive(r.dead(), true, false, false, false, amqp.Table{})
		return err == nil
	})
	if got := b.Created(); !got.Equal(made) {
		t.Errorf("made at %v, then at %v", made, got)
	}
	if got := p.count(); got != dialled {
		t.Errorf("%d connections, then %d", dialled, got)
	}

	// The session that follows finds the queue.
	p.cut()
	testenv.Eventually(t, "the loss to be noticed", func() bool { return b.Check(t.Context()) != nil })
	ready(t, b)
	if got := b.Created(); !got.Equal(made) {
		t.Errorf("a new session: made at %v, then at %v", made, got)
	}
}
