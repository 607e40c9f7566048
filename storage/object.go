package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// cacheControl allows caches to keep an object for ever: the content under a key never
// changes.
const cacheControl = "public, max-age=31536000, immutable"

// maxListing is the maximum number of objects in one page of an S3 listing.
const maxListing = 1000

// Put stores body under key, which may exist already. The object is complete once Put
// returns nil; after an error it may or may not exist. Put creates the bucket if it is
// missing.
func (s *Store) Put(ctx context.Context, key, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.put(ctx, key, body, minio.PutObjectOptions{ContentType: contentType, CacheControl: cacheControl})
}

func (s *Store) put(ctx context.Context, key string, body []byte, opts minio.PutObjectOptions) error {
	opts.DisableMultipart = true
	return s.inBucket(ctx, "put object", func() error {
		// With a seekable reader and a known size the client can repeat the request.
		_, err := s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(body), int64(len(body)), opts)
		return err
	})
}

// inBucket calls f. If f fails because the bucket is missing, it creates the bucket and
// calls f again.
func (s *Store) inBucket(ctx context.Context, op string, f func() error) error {
	err := f()
	if !s.unmanaged && code(err) == minio.NoSuchBucket {
		if err := s.Ensure(ctx); err != nil {
			return err
		}
		err = f()
	}
	return classify(op, err)
}

// Object is an entry of a listing. It is an alias, so that callers can use it without
// importing this package.
type Object = struct {
	Key      string
	Modified time.Time // by the server's clock
}

// List returns up to limit objects, 1,000 at most, whose keys begin with prefix and
// are greater than after, in byte order of their keys. Fewer than limit means that no
// more exist. A missing bucket counts as empty.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]Object, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	limit = min(limit, maxListing)
	objects := make([]Object, 0, limit)
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{
		Prefix: prefix, StartAfter: after, MaxKeys: limit, Recursive: true,
	}) {
		switch {
		case code(object.Err) == minio.NoSuchBucket:
			return nil, nil
		case object.Err != nil:
			return nil, classify("list objects", object.Err)
		}
		objects = append(objects, Object{Key: object.Key, Modified: object.LastModified})
		if len(objects) == limit {
			return objects, nil
		}
	}
	// The client ends its iteration without an error when ctx ends.
	return objects, classify("list objects", ctx.Err())
}

// Delete deletes an object. It returns nil if the object does not exist.
func (s *Store) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
	if code(err) == minio.NoSuchBucket {
		return nil
	}
	return classify("delete object", err)
}

// DeletePrefix deletes all objects whose key begins with prefix, which must have at
// least two segments and end with a slash, such as "products/7/". It returns nil if no
// such object exists. After an error the call can be repeated.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) error {
	segments := strings.Split(prefix, "/")
	last := len(segments) - 1
	if last < 2 || segments[last] != "" || segments[0] == "" || segments[1] == "" {
		return fmt.Errorf("storage: delete: prefix %q must have at least two segments and end with a slash", prefix)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()

	var errs []error
	found := func(yield func(minio.ObjectInfo) bool) {
		for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if object.Err != nil {
				errs = append(errs, classify("list objects", object.Err))
				return
			}
			if !yield(object) {
				return
			}
		}
	}
	results, err := s.client.RemoveObjectsWithIter(ctx, s.bucket, found, minio.RemoveObjectsOptions{})
	if err != nil {
		return classify("delete objects", err)
	}
	for result := range results {
		if result.Err != nil {
			errs = append(errs, classify("delete object", result.Err))
		}
	}
	if len(errs) == 0 && ctx.Err() != nil {
		// The client ends its iteration without an error when ctx ends.
		errs = append(errs, classify("delete objects", ctx.Err()))
	}
	if len(errs) > 0 && code(errs[0]) == minio.NoSuchBucket {
		return nil
	}
	return errors.Join(errs...)
}

// classify adds the operation to err, and wraps [ErrUnavailable] unless the server refused.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && refused(answer) {
		return fmt.Errorf("storage: %s: %w", op, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, op, err)
}

// refused reports whether the server rejected the request, so that a retry is futile.
func refused(answer minio.ErrorResponse) bool {
	switch status := answer.StatusCode; status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case 0: // an error of the client, or of one object in the response to a bulk delete
		return answer.Code == minio.AccessDenied || answer.Code == minio.NoSuchBucket
	default:
		return status >= 400 && status < 500
	}
}

// code returns the S3 error code, or "" for other errors.
func code(err error) string {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
