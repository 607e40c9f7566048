package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// partBytes is how much of a stream is held at a time: the least size of a
	// part that is not the last (5 MiB in S3).
	partBytes = 5 << 20
	// maxStreams bounds the memory for streams, and streamWait how long one waits
	// for another's end.
	maxStreams = 8
	streamWait = 3 * time.Second
)

// PresignPost gives an address to which anybody may post one file of 1 to limit
// bytes as key until a time, and the form fields that have to come before it (S3
// POST policy). The server refuses everything else. It does no I/O.
func (s *Store) PresignPost(ctx context.Context, key string, limit int64, until time.Time) (url string, fields map[string]string, err error) {
	policy := minio.NewPostPolicy()
	err = errors.Join(policy.SetBucket(s.bucket), policy.SetKey(key), policy.SetContentLengthRange(1, limit), policy.SetExpires(until.UTC()))
	if err != nil {
		return "", nil, fmt.Errorf("storage: post policy: %w", err)
	}
	// The signature does not cover the address, which may be another for clients.
	_, fields, err = s.client.PresignedPostPolicy(ctx, policy)
	if err != nil {
		return "", nil, fmt.Errorf("storage: sign post policy: %w", err)
	}
	return s.uploadURL, fields, nil
}

// PutStream stores what body gives, whatever its length, and holds no more than 5
// MiB of it at a time. Eight streams are stored at once; the next one waits for
// three seconds and is then [ErrUnavailable]. An error of body is handed on. After
// an error the object may be there, whole, or not.
func (s *Store) PutStream(ctx context.Context, key, contentType string, body io.Reader) error {
	bounded, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	case <-bounded.Done():
		return fmt.Errorf("%w: put stream: others are under way: %w", ErrUnavailable, bounded.Err())
	}
	part := make([]byte, partBytes)
	n, err := io.ReadFull(body, part)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		return s.put(ctx, key, part[:n], minio.PutObjectOptions{ContentType: contentType})
	case err != nil:
		return fmt.Errorf("storage: put stream: %w", err)
	}
	return s.putParts(ctx, key, contentType, part, body)
}

// putParts stores a first part and what follows it.
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
		// The server keeps parts until it is told. Also when ctx has ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		return errors.Join(err, classify("abort upload", core.AbortMultipartUpload(ctx, s.bucket, key, id)))
	}
	return nil
}

// sendParts stores the parts one after the other, each in the first one's memory.
func (s *Store) sendParts(ctx context.Context, core minio.Core, key, id string, part []byte, rest io.Reader) ([]minio.CompletePart, error) {
	var parts []minio.CompletePart
	for n, last := len(part), false; ; {
		number := len(parts) + 1
		sent, err := s.sendPart(ctx, core, key, id, number, part[:n])
		if err != nil {
			return nil, err
		}
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
		if last {
			return parts, nil
		}
		n, err = io.ReadFull(rest, part)
		switch {
		case errors.Is(err, io.EOF):
			return parts, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			last = true
		case err != nil:
			return nil, fmt.Errorf("storage: put stream: %w", err)
		}
	}
}

func (s *Store) sendPart(ctx context.Context, core minio.Core, key, id string, number int, part []byte) (minio.ObjectPart, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	sent, err := core.PutObjectPart(ctx, s.bucket, key, id, number, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{})
	return sent, classify("put part", err)
}

// Open gives an object's content, to be read under ctx and closed, and its size in
// bytes; [ErrNotFound] where there is none.
func (s *Store) Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error) {
	body, info, _, err := minio.Core{Client: s.client}.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	switch {
	case err == nil:
		return body, info.Size, nil
	case code(err) == minio.NoSuchKey: // and not the bucket: that would be for an operator to mend
		return nil, 0, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil, 0, classify("get object", err)
}
