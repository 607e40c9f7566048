package imaging

import (
	"context"
	"strings"
)

// download fetches a source from its host, within the memory budget for sources.
// deferrals is the number of times in a row that the image has been deferred because its
// host was busy or failing.
func (w *Worker) download(ctx context.Context, source string, known Validators, deferrals int) (src Source, release func(), err error) {
	return w.hosts.Fetch(ctx, source, known, deferrals, w.process.Reserve)
}

// readObject reads an upload or an object of the service, within the memory budget for
// sources. source is a key, which may follow [UploadScheme].
func (w *Worker) readObject(ctx context.Context, source string) (src Source, release func(), err error) {
	return w.fetch.Object(ctx, w.objects, strings.TrimPrefix(source, UploadScheme), w.process.Reserve)
}
