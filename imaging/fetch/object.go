package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"time"

	"vitrine/imaging"
)

// ObjectReader reads objects. Open returns the content, which is read under ctx and must be
// closed, and its size in bytes. It returns [io/fs.ErrNotExist] if the key has no object.
// Any other error means that the store is unavailable.
type ObjectReader interface {
	Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)
}

// objectTimeout bounds reading an object, without the wait for memory.
const objectTimeout = 30 * time.Second

// Object reads a picture from the object store, under the same limits as a download. The
// picture is a client's upload or the original of a downloaded source. An error is an
// [*imaging.Error] with stage fetch, or ctx's error if ctx has ended. A failure of the
// store counts as a fault of this service.
//
// reserve may be nil. Object releases its memory if it fails. Otherwise release does;
// release is never nil.
func (f *Fetcher) Object(
	ctx context.Context, store ObjectReader, key string, reserve Reserve,
) (src Source, release func(), err error) {
	work, limit := startLimit(ctx, objectTimeout)
	defer limit.stop()
	release = func() {}
	body, size, err := store.Open(work, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Source{}, release, failed(imaging.CodeUploadNotFound, "nothing has been uploaded under this key", err)
	case err != nil:
		return Source{}, release, storeFailed(ctx, err)
	}
	defer func() { _ = body.Close() }() // read only: closing cannot lose data
	if size > f.cfg.MaxBytes {
		return Source{}, release, bodyTooLarge(f.cfg.MaxBytes)
	}
	if reserve != nil {
		limit.pause()
		if release, err = reserve(ctx, size); err != nil {
			return Source{}, func() {}, err
		}
		limit.resume()
	}
	content, err := readBody(body, size, f.cfg.MaxBytes)
	if err == nil {
		sum := sha256.Sum256(content)
		return Source{Body: content, SHA256: hex.EncodeToString(sum[:])}, release, nil
	}
	release()
	var known *imaging.Error
	if errors.As(err, &known) && !known.Transient {
		return Source{}, func() {}, err // the file itself is at fault
	}
	return Source{}, func() {}, storeFailed(ctx, err)
}

// storeFailed returns the failure of the object store, or ctx's error if ctx has ended.
func storeFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &imaging.Error{
		Code: imaging.CodeStoreUnavailable, Stage: imaging.StageFetch, Transient: true, Ours: true,
		Detail: "the object store is unavailable", Err: err,
	}
}
