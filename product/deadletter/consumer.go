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

// deadDelay keeps an image whose message the broker gave up from coming back too fast.
const deadDelay = 30 * time.Second

// DeadLetters files what the dead-letter queue delivers. All methods are safe for concurrent
// use.
type Service struct {
	store     *postgres.DB
	catalogue *catalogue.Service
	log       *logrus.Logger
}

// NewDeadLetters returns the dead letters of a store.
func New(store *postgres.DB, catalogue *catalogue.Service, log *logrus.Logger) *Service {
	return &Service{store: store, catalogue: catalogue, log: log}
}

// File files a message from the dead-letter queue, once per image and generation, or per
// content if it cannot be read. The failure of an image has been filed with it, so that
// mostly nothing is left to do. A nil error means that the message can be removed.
//
// The broker also gives up messages of images that have not failed, when the connections
// of their consumers were lost too often. An image that waits without another job on its
// way gets a new one then. One that is at work has a worker, or a lease whose end the
// [maintenance.Reconciler] sees. An image that is gone, done or of a later generation needs nothing.
func (d *Service) File(ctx context.Context, body []byte, reason string) error {
	job, err := imaging.DecodeJob(body)
	if err != nil {
		d.log.WithFields(logrus.Fields{"reason": reason, "bytes": len(body)}).Warn("Dead letter cannot be read")
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
