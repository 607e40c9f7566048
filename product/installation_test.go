package product_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
	"vitrine/queue"
)

// installation is a catalogue with queues of its own on the real broker.
type installation struct {
	*catalogue
	url, prefix string
	ch          *amqp.Channel

	mu   sync.Mutex
	done []int64 // owners of the jobs that were done, in their order
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	i := &installation{url: os.Getenv("RABBITMQ_URL"), prefix: "test-" + uuid.NewString() + "."}
	if i.url == "" {
		t.Fatal("RABBITMQ_URL is not set: start the servers with `make up` and run the tests with `make test`")
	}
	conn, err := amqp.Dial(i.url)
	if err != nil {
		t.Fatalf("RabbitMQ is out of reach, start it with `make up`: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if i.ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		i.remove("images")
		i.remove("images.dead")
		if err := i.ch.ExchangeDelete(i.prefix+"images.dlx", false, false); err != nil {
			t.Error(err)
		}
	})
	i.catalogue = newCatalogue(t)
	return i
}

// remove loses a queue with all that is in it.
func (i *installation) remove(queue string) {
	i.t.Helper()
	if _, err := i.ch.QueueDelete(i.prefix+queue, false, false, false); err != nil {
		i.t.Error(err)
	}
}

// broker runs a connection with the queues.
func (i *installation) broker(workers int, jobs *product.Jobs) *queue.Broker {
	i.t.Helper()
	broker := queue.New(queue.Config{URLs: []string{i.url}, Prefix: i.prefix, Workers: workers}, quiet())
	broker.Handle(func(ctx context.Context, d queue.Delivery) queue.Verdict { return i.work(ctx, jobs, d.Body) })
	run(i.t, broker.Run)
	return broker
}

// replica runs what every process runs, with connections of its own.
func (i *installation) replica(workers int, limits product.JobLimits) *queue.Broker {
	i.t.Helper()
	store := producttest.Open(i.t, i.dsn)
	broker := i.broker(workers, newReplica(store, i.cache).jobs)
	run(i.t, product.NewJobRelay(product.NewOutbox(store), broker, limits, nil, quiet()).Run)
	run(i.t, product.NewReconciler(store, product.Steps(broker), quiet()).Run)
	return broker
}

// work does a job, if there is anything to do.
func (i *installation) work(ctx context.Context, jobs *product.Jobs, body []byte) queue.Verdict {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		return queue.Reject
	}
	claim, err := jobs.Claim(ctx, job, uuid.NewString(), lease)
	switch {
	case errors.Is(err, imaging.ErrNothingToDo):
		return queue.Ack
	case err != nil: // the database is busy: the job must not be lost for that
		return queue.Leave
	}
	var owner int64
	if err := i.db.QueryRowContext(ctx, `SELECT user_id FROM products WHERE id = $1`, claim.ProductID).Scan(&owner); err != nil {
		return queue.Leave
	}
	i.mu.Lock()
	i.done = append(i.done, owner)
	i.mu.Unlock()
	if err := jobs.Settle(ctx, claim, ready(claim, digest(1))); err != nil {
		return queue.Leave
	}
	return queue.Ack
}

// doneFor counts the jobs that were done for one owner.
func (i *installation) doneFor(owner int64) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, o := range i.done {
		if o == owner {
			n++
		}
	}
	return n
}

// backlog stores n products of a user with one picture each, and their jobs as an
// earlier release wrote them.
func (c *catalogue) backlog(user int64, n int) {
	c.t.Helper()
	c.exec(`
		WITH product AS (
			INSERT INTO products (user_id, product_name, product_price)
			SELECT $1, 'Lamp', 1 FROM generate_series(1, cast($2 AS integer))
			RETURNING id
		), image AS (
			INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $3 FROM product
			RETURNING id
		)
		INSERT INTO outbox (kind, subject, payload)
		SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', 1) FROM image`, user, n, source)
}
