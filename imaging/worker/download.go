package worker

import (
	"context"
	"strings"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

// download fetches a source from its host, within the memory budget for sources.
// deferrals is the number of times in a row that the image has been deferred because its
// host was busy or failing.
func (w *Worker) download(ctx context.Context, source string, known imaging.Validators, deferrals int) (src fetch.Source, release func(), err error) {
	return w.hosts.Fetch(ctx, source, known, deferrals, w.process.Reserve)
}

// readObject reads an upload or an object of the service, within the memory budget for
// sources. source is a key, with or without [imaging.UploadScheme] before it.
func (w *Worker) readObject(ctx context.Context, source string) (src fetch.Source, release func(), err error) {
	return w.fetch.Object(ctx, w.objects, strings.TrimPrefix(source, imaging.UploadScheme), w.process.Reserve)
}
