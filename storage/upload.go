package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// partBytes is the size of a part of a stream: the minimum in S3, except for the
	// last part (5 MiB).
	partBytes = 5 << 20
	// firstBytes is the initial buffer size of a stream. The buffer doubles as bytes
	// arrive, up to partBytes.
	firstBytes = 256 << 10
	// maxSending is the maximum number of parts that are sent at the same time.
	maxSending = 8
)

// PresignPost returns a URL to which a client may post one file of 1 to limit bytes as
// key until the given time, and the form fields that must precede the file (S3 POST
// policy). The server refuses anything else. PresignPost does no I/O.
func (s *Store) PresignPost(ctx context.Context, key string, limit int64, until time.Time) (url string, fields map[string]string, err error) {
	policy := minio.NewPostPolicy()
	err = errors.Join(policy.SetBucket(s.bucket), policy.SetKey(key), policy.SetContentLengthRange(1, limit), policy.SetExpires(until.UTC()))
	if err != nil {
		return "", nil, fmt.Errorf("storage: post policy: %w", err)
	}
	// The signature does not cover the URL, so clients may use a different one.
	_, fields, err = s.client.PresignedPostPolicy(ctx, policy)
	if err != nil {
		return "", nil, fmt.Errorf("storage: sign post policy: %w", err)
	}
	return s.uploadURL, fields, nil
}

// PutStream stores everything that body returns, of any length. It buffers at most 5
// MiB of it, and less while less has arrived; the caller limits the number of streams.
// Eight parts are sent at the same time. A part waits up to Config.Timeout for its
// turn, after which PutStream returns [ErrUnavailable]. A slow body does not delay other
// streams. An error of body is returned wrapped. After an error the object may be
// complete or missing.
func (s *Store) PutStream(ctx context.Context, key, contentType string, body io.Reader) error {
	part, err := readPart(body, nil)
	switch {
	case errors.Is(err, io.EOF):
		return s.sending(ctx, func() error {
			ctx, cancel := context.WithTimeout(ctx, s.timeout)
			defer cancel()
			return s.put(ctx, key, part, minio.PutObjectOptions{ContentType: contentType})
		})
	case err != nil:
		return fmt.Errorf("storage: put stream: %w", err)
	}
	return s.putParts(ctx, key, contentType, part, body)
}

// readPart reads a part into memory, which it grows if necessary. It returns [io.EOF]
// with the last part.
func readPart(body io.Reader, memory []byte) (part []byte, err error) {
	part = memory[:0]
	for len(part) < partBytes {
		if len(part) == cap(part) {
			part = append(make([]byte, 0, min(max(firstBytes, 2*cap(part)), partBytes)), part...)
		}
		n, err := body.Read(part[len(part):cap(part)])
		part = part[:len(part)+n]
		if err != nil {
			return part, err
		}
	}
	return part, nil
}

// sending calls send, which sends one part, once fewer than maxSending others are being
// sent.
func (s *Store) sending(ctx context.Context, send func() error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.sends <- struct{}{}:
		defer func() { <-s.sends }()
		return send()
	case <-bounded.Done():
		return fmt.Errorf("%w: put stream: too many parts in progress: %w", ErrUnavailable, bounded.Err())
	}
}

// putParts stores a first part and the rest of the stream.
func (s *Store) putParts(ctx context.Context, key, contentType string, part []byte, rest io.Reader) error {
	core := minio.Core{Client: s.client}
	var id string
	err := s.inBucket(ctx, "begin upload", func() (err error) {
		id, err = core.NewMultipartUpload(ctx, s.bucket, key, minio.PutObjectOptions{ContentType: contentType})
		return err
	})
	if err != nil {
		return err
	}
	parts, err := s.sendParts(ctx, core, key, id, part, rest)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		_, err = core.CompleteMultipartUpload(ctx, s.bucket, key, id, parts, minio.PutObjectOptions{})
		err = classify("complete upload", err)
	}
	if err != nil {
		// The server keeps parts until the upload is aborted, so abort it even if ctx has
		// ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		return errors.Join(err, classify("abort upload", core.AbortMultipartUpload(ctx, s.bucket, key, id)))
	}
	return nil
}

// sendParts stores the parts one after the other and reuses the first one's memory.
func (s *Store) sendParts(ctx context.Context, core minio.Core, key, id string, part []byte, rest io.Reader) ([]minio.CompletePart, error) {
	var parts []minio.CompletePart
	for last := false; ; {
		number := len(parts) + 1
		sent, err := s.sendPart(ctx, core, key, id, number, part)
		if err != nil {
			return nil, err
		}
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
		if last {
			return parts, nil
		}
		part, err = readPart(rest, part)
		switch {
		case errors.Is(err, io.EOF) && len(part) == 0:
			return parts, nil
		case errors.Is(err, io.EOF):
			last = true
		case err != nil:
			return nil, fmt.Errorf("storage: put stream: %w", err)
		}
	}
}

func (s *Store) sendPart(ctx context.Context, core minio.Core, key, id string, number int, part []byte) (sent minio.ObjectPart, err error) {
	err = s.sending(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		sent, err = core.PutObjectPart(ctx, s.bucket, key, id, number, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{})
		return classify("put part", err)
	})
	return sent, err
}

// Open returns an object's content and its size in bytes. The caller must read the
// content before ctx ends, and close it. The error is [fs.ErrNotExist] if the object
// does not exist.
func (s *Store) Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error) {
	body, info, _, err := minio.Core{Client: s.client}.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	switch {
	case err == nil:
		return body, info.Size, nil
	case code(err) == minio.NoSuchKey: // a missing bucket is not ErrNotExist: an operator has to create it
		return nil, 0, fmt.Errorf("storage: %w: %w", fs.ErrNotExist, err)
	}
	return nil, 0, classify("get object", err)
}
