package queue_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"vitrine/bench/testenv"
	"vitrine/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is one test's own queues on the real broker.
type environment struct {
	prefix string
	url    string
	hook   *logtest.Hook
	log    *logrus.Logger
	conn   *amqp.Connection // past the code under test
	ch     *amqp.Channel
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	raw := testenv.RabbitMQURL(t)
	conn, err := amqp.DialConfig(raw, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		t.Fatalf("RabbitMQ is out of reach, start it with make up: %v", err)
	}
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	r := &environment{prefix: "test-" + uuid.NewString() + ".", url: raw, log: log, hook: hook, conn: conn}
	if r.ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			t.Errorf("clean up: %v", err)
			return
		}
		for _, name := range []string{r.work(), r.dead()} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
		if err := ch.ExchangeDelete(r.exchange(), false, false); err != nil {
			t.Errorf("clean up: %v", err)
		}
		r.checkLog(t)
	})
	return r
}

func (r *environment) work() string     { return r.prefix + "images" }
func (r *environment) dead() string     { return r.prefix + "images.dead" }
func (r *environment) exchange() string { return r.prefix + "images.dlx" }

// checkLog fails the test if the broker's credentials were logged.
func (r *environment) checkLog(t *testing.T) {
	t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for _, entry := range r.hook.AllEntries() {
		line := fmt.Sprint(entry.Message, entry.Data)
		if strings.Contains(line, password) || strings.Contains(line, "amqp://") {
			t.Errorf("credentials in the log: %s", line)
		}
	}
}

// logged reports whether a warning whose error contains text was logged.
func (r *environment) logged(text string) bool {
	for _, entry := range r.hook.AllEntries() {
		err, _ := entry.Data["error"].(error)
		if err != nil && entry.Level == logrus.WarnLevel && strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// broker returns a broker with the environment's queues that is not running yet.
func (r *environment) broker(workers int, urls ...string) *queue.Broker {
	if len(urls) == 0 {
		urls = []string{r.url}
	}
	return queue.New(queue.Config{URLs: urls, Prefix: r.prefix, Workers: workers}, r.log)
}

// start runs b until the test ends or stop is called; stop waits for Run.
func start(t *testing.T, b *queue.Broker) (stop func()) {
	t.Helper()
	return testenv.Run(t, b.Run)
}

// ready waits until b has a session.
func ready(t *testing.T, b *queue.Broker) {
	t.Helper()
	testenv.Eventually(t, "a session", func() bool { return b.Check(t.Context()) == nil })
}

// messages makes n messages with ids of their own.
func messages(n int) []queue.Message {
	msgs := make([]queue.Message, n)
	for i := range msgs {
		id := uuid.NewString()
		msgs[i] = queue.Message{ID: id, Body: []byte(`{"id":"` + id + `"}`)}
	}
	return msgs
}

// publish publishes msgs once and fails the test if any was not confirmed.
func publish(t *testing.T, b *queue.Broker, msgs []queue.Message) {
	t.Helper()
	for i, err := range b.Publish(t.Context(), msgs) {
		if err != nil {
			t.Fatalf("publish message %d: %v", i, err)
		}
	}
}

// publishUntil publishes msgs, and what failed again, until all are confirmed.
func publishUntil(t *testing.T, b *queue.Broker, msgs []queue.Message) {
	t.Helper()
	testenv.Eventually(t, "all messages to be confirmed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var again []queue.Message
		for i, err := range b.Publish(ctx, msgs) {
			if err != nil {
				again = append(again, msgs[i])
			}
		}
		msgs = again
		return len(msgs) == 0
	})
}

// tally counts deliveries by message id.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[id]++
}

func (c *tally) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, count := range c.counts {
		n += count
	}
	return n
}

// missing tells how many of msgs have never been counted.
func (c *tally) missing(msgs []queue.Message) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, m := range msgs {
		if c.counts[m.ID] == 0 {
			n++
		}
	}
	return n
}

// get takes everything out of a queue.
func (r *environment) get(t *testing.T, name string) []amqp.Delivery {
	t.Helper()
	var all []amqp.Delivery
	for {
		d, ok, err := r.ch.Get(name, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, d)
	}
}
