package worker

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// uploaded reports whether a source is an upload. Uploads are kept anyway.
func uploaded(source string) bool { return strings.HasPrefix(source, imaging.UploadScheme) }

// keepsOriginal reports whether reprocessing will need the bytes of the source.
func (a *attempt) keepsOriginal() bool {
	return a.worker.makesWebP() && !uploaded(a.claim.Source)
}

// putOriginal stores a source, so that reprocessing need not download it again.
func (w *Worker) putOriginal(ctx context.Context, objectKey uuid.UUID, sha256 string, body []byte) error {
	return w.putObject(ctx, imaging.OriginalKey(objectKey, sha256), "application/octet-stream", body)
}

// openOriginal returns the source that the first processing kept. there is false if it
// is missing, or does not have the digest.
func (w *Worker) openOriginal(ctx context.Context, objectKey uuid.UUID, sha256 string) (src fetch.Source, release func(), there bool, err error) {
	src, release, err = w.readObject(ctx, imaging.OriginalKey(objectKey, sha256))
	var known *imaging.Error
	switch {
	case err == nil && src.SHA256 == sha256:
		return src, release, true, nil
	case err == nil:
		release()
	case !errors.As(err, &known) || known.Ours:
		return fetch.Source{}, func() {}, false, err
	}
	return fetch.Source{}, func() {}, false, nil // the object is useless
}
