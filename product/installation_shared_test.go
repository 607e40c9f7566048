package product_test

import (
	"context"
	"errors"
	amqp "github.com/rabbitmq/amqp091-go"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
	"vitrine/queue"
)

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

// installation is a catalogue with queues of its own on the real broker.
type installation struct {
	*catalogue
	url, prefix string
	ch          *amqp.Channel

	mu   sync.Mutex
	done []int64 // owners of the jobs that were done, in their order
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
	broker := queue.New(queue.Config{URLs: []string{i.url}, Prefix: i.prefix, Workers: workers}, testenv.Quiet())
	broker.Handle(func(ctx context.Context, d queue.Delivery) queue.Verdict { return i.work(ctx, jobs, d.Body) })
	testenv.Run(i.t, broker.Run)
	return broker
}

// replica runs what every process runs, with connections of its own.
func (i *installation) replica(workers int, limits product.JobLimits) *queue.Broker {
	i.t.Helper()
	store := producttest.Open(i.t, i.dsn)
	broker := i.broker(workers, newReplica(store, i.cache).jobs)
	testenv.Run(i.t, product.NewJobRelay(product.NewOutbox(store), broker, limits, nil, testenv.Quiet()).Run)
	testenv.Run(i.t, product.NewReconciler(store, product.Steps(broker), testenv.Quiet()).Run)
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
