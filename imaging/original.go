package imaging

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
)

// uploaded says that a source is an upload, which is kept anyhow.
func uploaded(source string) bool { return strings.HasPrefix(source, UploadScheme) }

// keepsOriginal says whether the second pass will want the source's bytes again.
func (t *try) keepsOriginal() bool {
	return t.worker.secondPass() && !uploaded(t.claim.Source)
}

// putOriginal stores a source for the second pass, in the place of its download.
func (w *Worker) putOriginal(ctx context.Context, objectKey uuid.UUID, sha256 string, body []byte) error {
	return w.putObject(ctx, OriginalKey(objectKey, sha256), "application/octet-stream", body)
}

// openOriginal gives the bytes that the first pass has kept; there is false where
// it has not, or where they are not those of the digest.
func (w *Worker) openOriginal(ctx context.Context, objectKey uuid.UUID, sha256 string) (src Source, release func(), there bool, err error) {
	src, release, err = w.readObject(ctx, OriginalKey(objectKey, sha256))
	var known *Error
	switch {
	case err == nil && src.SHA256 == sha256:
		return src, release, true, nil
	case err == nil:
		release()
	case !errors.As(err, &known) || known.Ours:
		return Source{}, func() {}, false, err
	}
	return Source{}, func() {}, false, nil // what lies there is of no use
}
