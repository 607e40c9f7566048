package outbox_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/outbox"
	"vitrine/queue"
)

// jobsToSend is the backlog of one iteration.
const jobsToSend = 10000

// busyBroker publishes through a real broker, from which the messages are taken at
// once, and does nothing of the work but that their images are in flight no more.
type busyBroker struct {
	*queue.Broker
	DB *sqlx.DB
}

func (s busyBroker) Publish(ctx context.Context, messages []outbox.Message) []error {
	errs := s.Broker.Publish(ctx, messages)
	ids := make([]string, 0, len(messages))
	for i, m := range messages {
		if job, err := imaging.DecodeJob(m.Body); err == nil && errs[i] == nil {
			ids = append(ids, job.ImageID.String())
		}
	}
	if _, err := s.DB.ExecContext(ctx, `UPDATE images SET sent = false WHERE id = ANY ($1)`, pq.Array(ids)); err != nil {
		errs[0] = err
	}
	return errs
}

// BenchmarkJobRelay sends a backlog of one owner, and of a hundred, to RabbitMQ: in
// the order of time without regard to owners, which any relay does; by turns
// within limits that nobody meets; and within those that hold by default.
func BenchmarkJobRelay(b *testing.B) {
	dsn, url := testenv.DSN(b), os.Getenv("RABBITMQ_URL")
	if url == "" {
		b.Fatal("RABBITMQ_URL is not set: start the servers with `make up`")
	}
	store, db := testenv.Open(b, dsn), sqlx.MustConnect("postgres", dsn)
	box := outbox.New(store)
	b.Cleanup(func() { _ = db.Close() })
	prefix := "bench-" + uuid.NewString() + "."
	b.Cleanup(func() { removeQueues(b, url, prefix) })
	broker := queue.New(queue.Config{URLs: []string{url}, Prefix: prefix, Workers: 8}, testenv.Quiet())
	broker.Handle(func(context.Context, queue.Delivery) queue.Verdict {
		box.Free()
		return queue.Ack
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- broker.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	to := busyBroker{broker, db}
	byTurns := func(limits outbox.Limits) *outbox.Relay {
		return outbox.NewJobRelay(box, to, limits, nil, testenv.Quiet())
	}
	oldestFirst := outbox.NewRelay(box, outbox.KindImageJob, 100, func(ctx context.Context, rows []outbox.Claimed) []error {
		return outbox.PublishJobs(ctx, to, rows)
	}, nil, testenv.Quiet())
	for _, owners := range []int{1, 100} {
		for _, way := range []struct {
			name  string
			relay *outbox.Relay
		}{
			{"oldest first", oldestFirst},
			{"by turns, without limits", byTurns(outbox.Limits{PerOwner: 2 * jobsToSend, Waiting: 2 * jobsToSend})},
			{"by turns, default limits", byTurns(outbox.Limits{PerOwner: 100})},
		} {
			b.Run(fmt.Sprintf("%s/%d owners", way.name, owners), func(b *testing.B) { sendBacklog(b, db, way.relay, owners) })
		}
	}
}

func sendBacklog(b *testing.B, db *sqlx.DB, relay *outbox.Relay, owners int) {
	for b.Loop() {
		b.StopTimer()
		db.MustExec(`TRUNCATE users CASCADE`)
		db.MustExec(`INSERT INTO users (name, email) SELECT 'Ada', n FROM generate_series(1001, 1000 + $1) AS n`, owners)
		db.MustExec(`INSERT INTO products (user_id, product_name, product_price)
			SELECT id, 'Lamp', 1 FROM users, generate_series(1, $1)`, jobsToSend/owners)
		db.MustExec(`INSERT INTO images (id, product_id, position, source, queued_at)
			SELECT gen_random_uuid(), id, 0, $1, now() - interval '1 minute' FROM products`, testenv.Source)
		db.MustExec(`INSERT INTO outbox (kind, subject, payload, owner, in_queue)
			SELECT 'image_job', images.id, jsonb_build_object('image_id', images.id, 'generation', 1), user_id, true
			FROM images JOIN products ON products.id = product_id`)
		b.StartTimer()
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- relay.Run(ctx) }()
		look := time.NewTicker(20 * time.Millisecond)
		for left := 1; left > 0; <-look.C {
			if err := db.Get(&left, `SELECT count(*) FROM outbox`); err != nil {
				b.Fatal(err)
			}
		}
		look.Stop()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(jobsToSend*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func removeQueues(b *testing.B, url, prefix string) {
	conn, err := amqp.Dial(url)
	if err != nil {
		b.Errorf("queues are left behind: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		b.Errorf("queues are left behind: %v", err)
		return
	}
	for _, queue := range []string{"images", "images.dead"} {
		if _, err := ch.QueueDelete(prefix+queue, false, false, false); err != nil {
			b.Errorf("queue is left behind: %v", err)
		}
	}
	if err := ch.ExchangeDelete(prefix+"images.dlx", false, false); err != nil {
		b.Errorf("exchange is left behind: %v", err)
	}
}
