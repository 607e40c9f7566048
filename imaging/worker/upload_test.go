package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
)

func TestHandleUploads(t *testing.T) {
	t.Parallel()
	noSource := func(http.ResponseWriter, *http.Request) { t.Error("an upload was downloaded") }
	r := newRig(t, noSource, worker.Config{}, s3Endpoint(t), nil)
	r.objects.ensure(t)
	large := make([]byte, 20<<20+1)
	copy(large, "GIF89a")
	for name, c := range map[string]struct {
		body []byte
		code imaging.Code // none for a picture that becomes ready
	}{
		"photo":     {imagingtest.JPEG(imagingtest.Photo(900, 200, 5), 92, 1), ""},
		"page":      {imagingtest.HTML(), imaging.CodeUnsupportedFormat},
		"nothing":   {[]byte{}, imaging.CodeUnsupportedFormat},
		"too large": {large, imaging.CodeBodyTooLarge},
		"missing":   {nil, imaging.CodeUploadNotFound},
	} {
		key := "uploads/" + uuid.NewString() + "/" + uuid.NewString()
		if c.body != nil {
			if err := r.objects.Put(t.Context(), key, "image/jpeg", c.body); err != nil {
				t.Fatal(err)
			}
		}
		job := r.jobs.add(t, "upload:"+key, 1)
		verdict, row := r.handle(t.Context(), t, job), r.jobs.row(t, job)
		if c.code == "" {
			if verdict != worker.Ack || row.Status != "ready" || row.Result.SourceBytes != int64(len(c.body)) || len(row.Result.SourceSHA256) != 64 {
				t.Errorf("%s: verdict %d, %+v", name, verdict, row)
			}
			continue
		}
		if verdict != worker.DeadLetter || row.Status != "failed" || row.Code != string(c.code) || row.Attempts != 1 {
			t.Errorf("%s: verdict %d, %+v", name, verdict, row)
		}
	}
}

// The object store is unavailable during the last attempt of an image.
func TestUploadsWaitForTheObjectStore(t *testing.T) {
	t.Parallel()
	store := newProxy(t, s3Endpoint(t))
	r := newRig(t, nil, worker.Config{MaxAttempts: 1}, store.address, nil)
	key := "uploads/" + uuid.NewString() + "/" + uuid.NewString()
	r.objects.ensure(t)
	if err := r.objects.Put(t.Context(), key, "image/png", imagingtest.PNG(imagingtest.Logo(120, 90))); err != nil {
		t.Fatal(err)
	}
	job := r.jobs.add(t, "upload:"+key, 1)
	store.cut.Store(true)
	began := time.Now()
	if verdict := r.handle(t.Context(), t, job); verdict != worker.Ack || time.Since(began) > 20*time.Second {
		t.Errorf("verdict %d after %s", verdict, time.Since(began))
	}
	if row := r.jobs.row(t, job); row.Status != "pending" || row.Code != "store_unavailable" || !row.Ours || row.RetryIn < time.Second {
		t.Errorf("%+v", row)
	}
	store.cut.Store(false)
	job = r.jobs.add(t, "upload:"+key, 1)
	if verdict := r.handle(t.Context(), t, job); verdict != worker.Ack {
		t.Errorf("verdict %d", verdict)
	}
	if row := r.jobs.row(t, job); row.Status != "ready" {
		t.Errorf("%+v, log:\n%s", row, r.log)
	}
}
