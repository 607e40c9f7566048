package testenv

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/imaging"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
	"vitrine/queue"
)

// Installation is an environment with queues of its own on the real broker, for any number
// of processes. Their consumers settle each job as ready without looking at its source.
type Installation struct {
	*Environment
	prefix string
	ch     *amqp.Channel

	mu       sync.Mutex
	finished []int64
}

// NewInstallation returns an installation, whose queues are deleted when the test ends.
func NewInstallation(t *testing.T) *Installation {
	t.Helper()
	i := &Installation{prefix: "test-" + uuid.NewString() + "."}
	conn, err := amqp.Dial(RabbitMQURL(t))
	if err != nil {
		t.Fatalf("RabbitMQ does not respond: start it with `make up` (%v)", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if i.ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		i.DeleteQueue("images")
		i.DeleteQueue("images.dead")
		if err := i.ch.ExchangeDelete(i.prefix+"images.dlx", false, false); err != nil {
			t.Error(err)
		}
	})
	i.Environment = New(t)
	return i
}

// DeleteQueue deletes a queue with its messages.
func (i *Installation) DeleteQueue(queue string) {
	i.T.Helper()
	if _, err := i.ch.QueueDelete(i.prefix+queue, false, false, false); err != nil {
		i.T.Error(err)
	}
}

// RunBroker runs a connection to the broker, with consumers that settle jobs.
func (i *Installation) RunBroker(workers int, jobs *job.Store) *queue.Broker {
	i.T.Helper()
	broker := queue.New(queue.Config{URLs: []string{RabbitMQURL(i.T)}, Prefix: i.prefix, Workers: workers}, Quiet())
	broker.Handle(func(ctx context.Context, d queue.Delivery) queue.Verdict { return i.handle(ctx, jobs, d.Body) })
	Run(i.T, broker.Run)
	return broker
}

// RunReplica runs a relay, consumers and a reconciler with connections of their own.
func (i *Installation) RunReplica(workers int, limits outbox.Limits) *queue.Broker {
	i.T.Helper()
	store := Open(i.T, i.DSN)
	broker := i.RunBroker(workers, NewReplica(store, i.Cache).Jobs)
	Run(i.T, outbox.NewJobRelay(outbox.New(store), broker, limits, nil, Quiet()).Run)
	Run(i.T, maintenance.NewReconciler(store, maintenance.Steps(broker), Quiet()).Run)
	return broker
}

// handle settles the job as ready, if it can be claimed. It leaves the message if the
// database is unavailable.
func (i *Installation) handle(ctx context.Context, jobs *job.Store, body []byte) queue.Verdict {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		return queue.Reject
	}
	claim, err := jobs.Claim(ctx, job, uuid.NewString(), Lease)
	switch {
	case errors.Is(err, imaging.ErrNothingToDo):
		return queue.Ack
	case err != nil:
		return queue.Leave
	}
	var owner int64
	if err := i.DB.QueryRowContext(ctx, `SELECT user_id FROM products WHERE id = $1`, claim.ProductID).Scan(&owner); err != nil {
		return queue.Leave
	}
	i.mu.Lock()
	i.finished = append(i.finished, owner)
	i.mu.Unlock()
	if err := jobs.Settle(ctx, claim, ReadyOutcome(claim, Digest(1))); err != nil {
		return queue.Leave
	}
	return queue.Ack
}

// Finished returns the owners of the finished jobs, in the order in which they finished.
func (i *Installation) Finished() []int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.finished)
}

// FinishedFor returns the number of finished jobs of an owner.
func (i *Installation) FinishedFor(owner int64) (n int) {
	for _, o := range i.Finished() {
		if o == owner {
			n++
		}
	}
	return n
}
