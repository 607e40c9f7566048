package deadletter

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/postgres"
)

// deadDelay is how long an image waits for its next job after the broker gave up its message.
const deadDelay = 30 * time.Second

// Service files, lists, replays and deletes dead letters. All methods are safe for concurrent
// use.
type Service struct {
	store     *postgres.DB
	catalogue *catalogue.Service
	log       *logrus.Logger
}

// New returns the service for the dead letters of a database.
func New(store *postgres.DB, catalogue *catalogue.Service, log *logrus.Logger) *Service {
	return &Service{store: store, catalogue: catalogue, log: log}
}

// File files a message from the dead-letter queue, once per image and generation, or per
// content if it cannot be read. The transaction that failed an image has usually filed its
// dead letter already. A nil error means that the message can be removed.
//
// The broker also dead-letters messages of images that have not failed, if the
// connections of their consumers were lost too often. An image that waits without another
// job gets a new one. An image with a lease has a worker, or the reconciler notices that
// the lease has expired. An image that was deleted, is ready or has a later generation
// needs nothing.
func (d *Service) File(ctx context.Context, body []byte, reason string) error {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		d.log.WithFields(logrus.Fields{"reason": reason, "bytes": len(body)}).Warn("Dead letter is not a valid job")
		return d.store.InTx(ctx, "file dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
			return insertDeadLetter(ctx, tx, nil, body, reason, "")
		})
	}
	ctx = product.WithRequestID(ctx, job.RequestID)
	return d.store.InTx(ctx, "file dead letter", func(ctx context.Context, tx *sqlx.Tx) error {
		image, err := failedImage(ctx, tx, job)
		if errors.Is(err, sql.ErrNoRows) {
			return catalogue.Requeue(ctx, tx, job, deadDelay)
		}
		if err != nil {
			return err
		}
		return insertDeadLetter(ctx, tx, &image, body, reason, job.RequestID)
	})
}
