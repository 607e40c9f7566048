package product_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/product"
	"vitrine/queue"
)

// sender publishes through a broker.
type sender struct{ *queue.Broker }

func (s sender) Publish(ctx context.Context, messages []product.Message) []error {
	out := make([]queue.Message, len(messages))
	for i, m := range messages {
		out[i] = queue.Message(m)
	}
	return s.Broker.Publish(ctx, out)
}

// TestQueueWiped has the broker lose its queue and a thousand jobs: whichever
// replica is the first to miss it, they are all in the new queue long before a
// message counts as lost by its age.
func TestQueueWiped(t *testing.T) {
	t.Parallel()
	url := os.Getenv("RABBITMQ_URL")
	if url == "" {
		t.Fatal("RABBITMQ_URL is not set: start the servers with `make up` and run the tests with `make test`")
	}
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatalf("RabbitMQ is out of reach, start it with `make up`: %v", err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	prefix := "test-" + uuid.NewString() + "."
	remove := func(queue string) {
		t.Helper()
		if _, err := ch.QueueDelete(prefix+queue, false, false, false); err != nil {
			t.Error(err)
		}
	}
	c := newCatalogue(t)
	t.Run("replicas", func(t *testing.T) {
		var brokers []*queue.Broker
		for range 2 {
			broker := queue.New(queue.Config{URLs: []string{url}, Prefix: prefix}, quiet())
			run(t, broker.Run)
			run(t, product.NewJobRelay(c.store, sender{broker}, freely, nil, quiet()).Run)
			run(t, product.NewReconciler(c.store, broker, quiet()).Run)
			brokers = append(brokers, broker)
		}
		const jobs = 1000
		inQueue := func(sent string) bool {
			depth, err := brokers[0].Depth(t.Context())
			return err == nil && depth >= jobs && c.count("outbox") == 0 &&
				c.count("images WHERE queued_at > cast($1 AS timestamptz)", sent) == jobs
		}
		c.exec(`INSERT INTO products (id, user_id, product_name, product_price)
			SELECT gen_random_uuid(), $1, 'Lamp', 1 FROM generate_series(1, cast($2 AS integer))`, c.user, jobs)
		c.exec(`INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $1 FROM products`, source)
		c.exec(`INSERT INTO outbox (kind, subject, payload)
			SELECT 'image_job', id, jsonb_build_object('image_id', id, 'generation', 1) FROM images`)
		eventually(t, "all jobs are in the queue", func() bool { return inQueue("-infinity") })
		var wiped string
		c.scan(&wiped, `SELECT clock_timestamp()`)
		start := time.Now()
		remove("images")
		eventually(t, "all jobs are in the new queue", func() bool { return inQueue(wiped) })
		t.Logf("%d jobs were in the new queue after %s", jobs, time.Since(start))
	})
	remove("images")
	remove("images.dead")
	if err := ch.ExchangeDelete(prefix+"images.dlx", false, false); err != nil {
		t.Error(err)
	}
}
