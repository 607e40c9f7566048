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
	// partBytes is how much of a stream is held at a time: the least size of a
	// part that is not the last (5 MiB in S3).
	partBytes = 5 << 20
	// firstBytes is the memory that a stream begins with: it doubles as bytes
	// arrive, up to partBytes.
	firstBytes = 256 << 10
	// maxSending is how many parts are on their way to the server at once.
	maxSending = 8
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
// MiB of it at a time, and about as much as has arrived while that is less; how many
// streams there are is for the caller to bound. The parts of eight are sent at once.
// A part waits for that as long as a call may take, and is then [ErrUnavailable]; a
// body that is slow keeps nobody waiting. An error of body is handed on. After an
// error the object may be there, whole, or not.
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

// readPart reads a part into memory, which grows where it is too small. With
// [io.EOF] it is the last one.
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

// sending calls send, a whole part at hand, once it is one of the few that do.
func (s *Store) sending(ctx context.Context, send func() error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.sends <- struct{}{}:
		defer func() { <-s.sends }()
		return send()
	case <-bounded.Done():
		return fmt.Errorf("%w: put stream: others are under way: %w", ErrUnavailable, bounded.Err())
	}
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

// Open gives an object's content, to be read under ctx and closed, and its size in
// bytes; [fs.ErrNotExist] where there is none.
func (s *Store) Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error) {
	body, info, _, err := minio.Core{Client: s.client}.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	switch {
	case err == nil:
		return body, info.Size, nil
	case code(err) == minio.NoSuchKey: // and not the bucket: that would be for an operator to mend
		return nil, 0, fmt.Errorf("storage: %w: %w", fs.ErrNotExist, err)
	}
	return nil, 0, classify("get object", err)
}
