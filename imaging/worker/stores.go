package worker

import (
	"context"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// JobStore keeps image jobs with their leases and outcomes. All methods are safe for
// concurrent use. Besides [imaging.ErrNothingToDo] and [imaging.ErrLeaseLost], an error
// means that the store is unavailable: the job is left to its lease.
type JobStore interface {
	// Claim leases the job's image to holder and counts the attempt. If holder has
	// the lease already, Claim returns the same claim and counts nothing. It returns
	// [imaging.ErrNothingToDo] if there is no such work or another holder has the lease.
	Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error)
	// PutBack queues a job again that was received but not claimed. It counts no attempt.
	PutBack(ctx context.Context, job imaging.Job) error
	// Renew extends the lease to lease from now, or returns [imaging.ErrLeaseLost].
	Renew(ctx context.Context, c imaging.Claim, lease time.Duration) error
	// Reserve records the digest under which objects are about to be stored, so that
	// no deletion removes them. For the first processing it also returns a
	// duplicate, or nil: the result of another ready image of the product with the
	// same source and focal point. It protects the objects of the duplicate too.
	// It returns [imaging.ErrLeaseLost] as Renew does.
	Reserve(ctx context.Context, c imaging.Claim, sha256 string) (*imaging.Result, error)
	// Settle writes the outcome, or returns [imaging.ErrLeaseLost] and changes nothing.
	Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error
}

// ObjectStore keeps objects under keys. Put is idempotent.
type ObjectStore interface {
	Put(ctx context.Context, key, contentType string, body []byte) error
	fetch.ObjectReader
}
