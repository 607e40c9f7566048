package imaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// UploadScheme begins the sources that name an upload; its key follows.
const UploadScheme = "upload:"

// UploadStore keeps what clients have uploaded. Open gives the content, to be
// read under ctx and closed, and its size in bytes; [fs.ErrNotExist] where there is
// none. Any other error is the store's own fault.
type UploadStore interface {
	Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)
}

// uploadTime bounds reading an upload, waiting for memory excepted.
const uploadTime = 30 * time.Second

// uploads gives the pictures that clients have uploaded, under the same limits as
// those that are downloaded.
type uploads struct {
	store    UploadStore
	maxBytes int64
}

// fetch is [Fetcher.Fetch] for an upload. What goes wrong with the store is our own
// fault.
func (u uploads) fetch(ctx context.Context, source string, reserve Reserve) (src Source, release func(), err error) {
	work, limit := startLimit(ctx, uploadTime)
	defer limit.stop()
	release = func() {}
	body, size, err := u.store.Open(work, strings.TrimPrefix(source, UploadScheme))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Source{}, release, failed(CodeUploadNotFound, "nothing has been uploaded under this key", err)
	case err != nil:
		return Source{}, release, u.unavailable(ctx, err)
	}
	defer func() { _ = body.Close() }() // only read from: nothing can be lost
	if size > u.maxBytes {
		return Source{}, release, bodyTooLarge(u.maxBytes)
	}
	if reserve != nil {
		limit.pause()
		if release, err = reserve(ctx, size); err != nil {
			return Source{}, func() {}, err
		}
		limit.resume()
	}
	content, err := readBody(body, size, u.maxBytes)
	if err == nil {
		sum := sha256.Sum256(content)
		return Source{Body: content, SHA256: hex.EncodeToString(sum[:])}, release, nil
	}
	release()
	var known *Error
	if errors.As(err, &known) && !known.Transient {
		return Source{}, func() {}, err // it lies in the file
	}
	return Source{}, func() {}, u.unavailable(ctx, err)
}

// unavailable is what a failure of the store means, unless ctx has ended.
func (uploads) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return storeUnavailable(StageFetch, err)
}
