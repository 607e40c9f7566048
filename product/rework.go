package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// Reworker does the work on a ready image: see [imaging.Worker.Rework].
type Reworker interface {
	Rework(ctx context.Context, store imaging.ReworkStore, r imaging.Rework) (*imaging.Reworked, error)
}

// ReworkConfig is how ready images are reworked. The zero value of a field stands for
// its default.
type ReworkConfig struct {
	MaxAttempts int           // tries until an image is left as it is; 5
	Limit       time.Duration // for one try; 2 minutes
	Claim       time.Duration // until a try whose process vanished is made again: 30 s more than Limit
	Overdue     time.Duration // how long a rework waits at most for images that are not ready yet; 5 minutes
	RetryBase   time.Duration // wait after the first failure, doubled each time; 10 s
	RetryCap    time.Duration // the longest such wait; 10 minutes
}

func (c ReworkConfig) withDefaults() ReworkConfig {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 5
	}
	setDefault(&c.Limit, 2*time.Minute)
	setDefault(&c.Claim, c.Limit+30*time.Second)
	setDefault(&c.Overdue, 5*time.Minute)
	setDefault(&c.RetryBase, 10*time.Second)
	setDefault(&c.RetryCap, 10*time.Minute)
	return c
}

// reworks is what the relay of reworks needs.
type reworks struct {
	service *Service
	store   *Store
	worker  Reworker
	depth   func(context.Context) (int, error)
	cfg     ReworkConfig
	owner   string
	log     *logrus.Logger
	metrics *reworkMetrics
}

// NewReworkRelay makes the relay that works on ready images, one at a time, while
// nobody waits for an image to become ready, or once it has waited for that long
// enough. A try is counted before the work, so that a picture that ends its process
// is left as it is in the end; what our own dependencies are to blame for does not
// count. Metrics are registered with reg, which may be nil.
func NewReworkRelay(
	service *Service, worker Reworker, queue interface {
		Depth(ctx context.Context) (int, error)
	}, cfg ReworkConfig, wake <-chan struct{}, log *logrus.Logger, reg prometheus.Registerer,
) *Relay {
	r := &reworks{
		service: service, store: service.store, worker: worker, depth: queue.Depth, cfg: cfg.withDefaults(),
		owner: "rework " + uuid.NewString(), log: log, metrics: newReworkMetrics(reg),
	}
	relay := NewRelay(service.store, KindImageRework, 1, each(r.do), wake, log)
	relay.claim, relay.failed, relay.apart = r.claim, r.failed, true
	relay.claimTime, relay.handlerTime = r.cfg.Claim, r.cfg.Limit
	return relay
}

// claim takes the next rework if it is its turn.
func (r *reworks) claim(ctx context.Context, claim uuid.UUID) ([]Row, prospect, error) {
	look, err := r.store.lookAtReworks(ctx, r.cfg.Overdue)
	if err != nil || !look.Due {
		return nil, idle, err
	}
	if !look.Overdue && (look.Jobs || r.queued(ctx)) {
		return nil, held, nil
	}
	rows, err := r.store.claimRework(ctx, claim, r.cfg.Claim)
	if err != nil || len(rows) == 0 {
		return nil, idle, err
	}
	return rows, more, nil
}

// queued says whether image jobs wait for a worker. A broker out of reach has none
// to give.
func (r *reworks) queued(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, depthTimeout)
	defer cancel()
	depth, err := r.depth(bounded)
	return err == nil && depth > 0
}

// reworkTry is one try of one rework.
type reworkTry struct {
	imaging.Rework
	started time.Time
	log     *logrus.Entry
}

// do makes one try. An error says that it is to be made again.
func (r *reworks) do(ctx context.Context, row Row) error {
	ctx = WithRequestID(ctx, row.RequestID)
	var p reworkPayload
	if err := json.Unmarshal(row.Payload, &p); err != nil {
		r.log.WithError(err).WithField("outbox_id", row.ID).Error("Rework unreadable, dropped")
		return nil
	}
	rework, err := r.store.loadRework(ctx, p)
	if errors.Is(err, ErrNotFound) {
		r.metrics.ended.WithLabelValues(string(p.Reason), "skipped").Inc()
		return nil
	}
	if err != nil {
		return err
	}
	rework.Attempt = row.Attempts
	t := reworkTry{Rework: rework, started: time.Now(), log: r.log.WithFields(logrus.Fields{
		"image_id": rework.ImageID, "product_id": rework.ProductID, "request_id": row.RequestID,
		"attempt": row.Attempts, "reason": rework.Reason,
	})}
	if row.Attempts > r.cfg.MaxAttempts {
		return r.giveUp(ctx, t, &imaging.Error{Code: imaging.CodeWorkerCrashed, Stage: imaging.StageClaim,
			Detail: fmt.Sprintf("none of %d tries came to an end", r.cfg.MaxAttempts)})
	}
	done, err := r.worker.Rework(ctx, r.store, rework)
	switch {
	case err == nil && (done == nil || done.Digest == ""):
		return r.leave(ctx, t, done)
	case err == nil:
		return r.finish(ctx, t, done)
	}
	return r.fail(ctx, t, err)
}

// fail gives the error on if the try is to be made again; otherwise the image stays
// as it is.
func (r *reworks) fail(ctx context.Context, t reworkTry, err error) error {
	var known *imaging.Error
	if !errors.As(err, &known) || known.Ours || known.Transient && t.Attempt < r.cfg.MaxAttempts {
		r.metrics.ended.WithLabelValues(string(t.Reason), "retry").Inc()
		t.log.WithError(err).Info("Rework to be tried again")
		return err
	}
	return r.giveUp(ctx, t, known)
}

// failed says when a try is made again, and whether this one counts: it has been
// counted already.
func (r *reworks) failed(ctx context.Context, row Row, err error) failure {
	var known *imaging.Error
	switch {
	case ctx.Err() != nil, errors.Is(err, errNotReached): // the process stops: whoever comes first goes on
		return failure{count: -1}
	case errors.Is(err, imaging.ErrLeaseLost): // look again at what has become of the image
		return failure{count: -1, delay: relayBackoff}
	case errors.As(err, &known) && known.Ours, errors.Is(err, ErrUnavailable), errors.Is(err, ErrOverloaded):
		return failure{count: -1, delay: max(backoff(r.cfg.RetryBase, r.cfg.RetryCap, 1), retryAfter(known))}
	}
	return failure{delay: max(backoff(r.cfg.RetryBase, r.cfg.RetryCap, row.Attempts), min(retryAfter(known), r.cfg.RetryCap))}
}

// retryAfter is how long a source wants to be left alone.
func retryAfter(err *imaging.Error) time.Duration {
	if err == nil {
		return 0
	}
	return err.RetryAfter
}
