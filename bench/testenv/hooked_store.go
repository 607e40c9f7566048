package testenv

import (
	"context"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/worker"
)

// HookedStore is a job store that calls a function after each claim and before each
// settlement. Either may be nil.
type HookedStore struct {
	worker.JobStore
	Claimed, Settling func(ctx context.Context)
}

// Claim claims the image, then calls Claimed if that succeeded.
func (s HookedStore) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	claim, err := s.JobStore.Claim(ctx, job, holder, lease)
	if err == nil && s.Claimed != nil {
		s.Claimed(ctx)
	}
	return claim, err
}

// Settle calls Settling, then settles the attempt.
func (s HookedStore) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if s.Settling != nil {
		s.Settling(ctx)
	}
	return s.JobStore.Settle(ctx, c, o)
}
