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

// cacheControl lets everybody keep an object for ever: a key is never given to
// other content.
const cacheControl = "public, max-age=31536000, immutable"

// maxListing is the most that S3 lists at once.
const maxListing = 1000

// Put stores body under key, which may exist already. The object is there, whole,
// when Put gives no error; after an error it may be there or not. A bucket that
// is missing is made first.
func (s *Store) Put(ctx context.Context, key, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.put(ctx, key, body, minio.PutObjectOptions{ContentType: contentType, CacheControl: cacheControl})
}

func (s *Store) put(ctx context.Context, key string, body []byte, opts minio.PutObjectOptions) error {
	opts.DisableMultipart = true
	return s.inBucket(ctx, "put object", func() error {
		// A reader that can seek and a known size let the client repeat the request.
		_, err := s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(body), int64(len(body)), opts)
		return err
	})
}

// inBucket makes the bucket where f finds that it is missing, and calls f again.
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

// Object is what a listing tells of an object. It is an alias, so that whoever
// looks through objects needs no form of its own.
type Object = struct {
	Key      string
	Modified time.Time // by the server's clock
}

// List gives up to limit objects, 1,000 at most, whose keys begin with prefix and
// are greater than after, in the order of their keys' bytes. Fewer than limit
// means that there are no more. A bucket that is missing holds none.
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

// Delete deletes an object. Nothing there is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
	if code(err) == minio.NoSuchBucket {
		return nil
	}
	return classify("delete object", err)
}

// DeletePrefix deletes all objects whose key begins with prefix, which must have
// two segments at least and end with a slash, such as "products/7/". Nothing
// there is no error, and after an error the call can be repeated.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) error {
	segments := strings.Split(prefix, "/")
	last := len(segments) - 1
	if last < 2 || segments[last] != "" || segments[0] == "" || segments[1] == "" {
		return fmt.Errorf("storage: delete: prefix %q is too short or has no slash at its end", prefix)
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

// classify says what was being done, and whether it is [ErrUnavailable].
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

// refused says that the server understood and will not do it the next time either.
func refused(answer minio.ErrorResponse) bool {
	switch status := answer.StatusCode; status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case 0: // an error of the client, or one object's in the answer to a bulk delete
		return answer.Code == minio.AccessDenied || answer.Code == minio.NoSuchBucket
	default:
		return status >= 400 && status < 500
	}
}

// code gives the S3 error code, or nothing for other errors.
func code(err error) string {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
