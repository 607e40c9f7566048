package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/config"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/queue"
	"vitrine/storage"
)

// What one package gives, in the form in which another wants it.

func fetchConfig(cfg config.Config) imaging.FetchConfig {
	ports := make([]int, len(cfg.FetchAllowPorts))
	for i, p := range cfg.FetchAllowPorts {
		ports[i] = int(p)
	}
	return imaging.FetchConfig{
		Timeout: cfg.FetchTimeout, MaxBytes: int64(cfg.FetchMaxBytes), AllowCIDRs: cfg.FetchAllowCIDRs, AllowPorts: ports,
		RootCAs: cfg.FetchCAs.Pool, HostConnections: cfg.FetchPerHost,
	}
}

func workerConfig(cfg config.Config) imaging.WorkerConfig {
	return imaging.WorkerConfig{
		MaxAttempts: cfg.MaxAttempts, WebP: cfg.WebPSizes, // "off" is the name of no size
		Process: imaging.ProcessConfig{
			Limits:       imaging.Limits{MaxPixels: int64(cfg.MaxPixels), MaxSide: cfg.MaxSide},
			MemoryBudget: int64(cfg.MemBudget), DecodeTimeout: cfg.DecodeTimeout, Likeness: cfg.Likeness,
		},
	}
}

func reworkConfig(cfg config.Config) product.ReworkConfig {
	return product.ReworkConfig{MaxAttempts: cfg.MaxAttempts, Limit: cfg.FetchTimeout + 2*time.Minute}
}

var verdicts = map[imaging.Verdict]queue.Verdict{
	imaging.Ack: queue.Ack, imaging.DeadLetter: queue.Reject, imaging.Leave: queue.Leave,
}

// fileDeadLetters gives the handler of the dead-letter queue. What cannot be
// filed now stays in the queue.
func fileDeadLetters(dead *product.DeadLetters, log *logrus.Logger) queue.Handler {
	return func(ctx context.Context, d queue.Delivery) queue.Verdict {
		if err := dead.File(ctx, d.Body, d.Reason); err != nil {
			log.WithError(err).WithField("message_id", d.MessageID).Warn("Dead letter not filed yet")
			return queue.Leave
		}
		return queue.Ack
	}
}

// publisher lets the relay send its messages through the broker.
type publisher struct{ broker *queue.Broker }

func (p publisher) Publish(ctx context.Context, messages []product.Message) []error {
	out := make([]queue.Message, len(messages))
	for i, m := range messages {
		out[i] = queue.Message{ID: m.ID, Body: m.Body}
	}
	return p.broker.Publish(ctx, out)
}

func (p publisher) Depth(ctx context.Context) (int, error) { return p.broker.Depth(ctx) }

// jobObjects lets the workers store variants and read uploads.
type jobObjects struct{ *storage.Store }

func (o jobObjects) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, size, err := o.Store.Open(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		err = errors.Join(imaging.ErrNoUpload, err)
	}
	return body, size, err
}

// sweptObjects lets the sweeper see the store's objects.
type sweptObjects struct{ *storage.Store }

func (s sweptObjects) List(ctx context.Context, prefix, after string, limit int) ([]product.Object, error) {
	found, err := s.Store.List(ctx, prefix, after, limit)
	objects := make([]product.Object, len(found))
	for i, o := range found {
		objects[i] = product.Object{Key: o.Key, Modified: o.Modified}
	}
	return objects, err
}
