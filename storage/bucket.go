package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"
)

// Ensure creates the bucket if it is missing and makes the objects under
// [PublicPrefix] public; it keeps the other statements of the bucket's policy. It does
// nothing if Config.Unmanaged is set. Several processes may call it concurrently, and
// it may be called again.
func (s *Store) Ensure(ctx context.Context) error {
	if s.unmanaged {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.create(ctx); err != nil {
		return err
	}
	held, err := s.client.GetBucketPolicy(ctx, s.bucket)
	if err != nil {
		return classify("read bucket policy", err)
	}
	policy, changed, err := withPublicRead(held, s.bucket)
	if err != nil || !changed {
		return err
	}
	if err := s.client.SetBucketPolicy(ctx, s.bucket, policy); err != nil {
		return classify("make "+PublicPrefix+" public", err)
	}
	return nil
}

// create creates the bucket if it does not exist.
func (s *Store) create(ctx context.Context) error {
	for {
		exists, err := s.client.BucketExists(ctx, s.bucket)
		if err != nil {
			return classify("look for bucket", err)
		}
		if exists {
			return nil
		}
		err = s.client.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{Region: s.region})
		switch code(err) {
		case minio.BucketAlreadyOwnedByYou:
			return nil
		case "OperationAborted", minio.BucketAlreadyExists: // another process is creating it
			if err := wait(ctx, 500*time.Millisecond); err != nil {
				return classify("create bucket", err)
			}
		default:
			return classify("create bucket", err)
		}
	}
}

// Check returns an error if the server does not respond or the bucket does not exist.
// It takes two seconds at most.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	exists, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return classify("look for bucket", err)
	}
	if !exists {
		return fmt.Errorf("storage: bucket %q does not exist", s.bucket)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
