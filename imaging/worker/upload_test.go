package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
)

func TestHandleUploads(t *testing.T) {
	t.Parallel()
	noSource := func(http.ResponseWriter, *http.Request) { t.Error("an upload was downloaded") }
	e := newEnvironment(t, noSource, options{})
	large := make([]byte, 20<<20+1)
	copy(large, "GIF89a")
	for name, c := range map[string]struct {
		body []byte
		code imaging.Code // none for a picture that becomes ready
	}{
		"photo":     {imagingtest.JPEG(imagingtest.Photo(900, 200, 5), 92, 1), ""},
		"HTML":      {imagingtest.HTML(), imaging.CodeUnsupportedFormat},
		"empty":     {[]byte{}, imaging.CodeUnsupportedFormat},
		"too large": {large, imaging.CodeBodyTooLarge},
		"missing":   {nil, imaging.CodeUploadNotFound},
	} {
		key := "uploads/" + uuid.NewString() + "/" + uuid.NewString()
		if c.body != nil {
			if err := e.bucket.Put(t.Context(), key, "image/jpeg", c.body); err != nil {
				t.Fatal(err)
			}
		}
		job := e.jobs.add(t, "upload:"+key, 1)
		verdict, row := e.handle(t.Context(), t, job), e.jobs.row(t, job)
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

// An attempt fails without being counted while the object store is unavailable, even if it
// was the last one.
func TestUploadsWaitForTheObjectStore(t *testing.T) {
	t.Parallel()
	through, s3 := testenv.ProxyURL(t, testenv.S3Server(t).Endpoint)
	e := newEnvironment(t, nil, options{worker: worker.Config{MaxAttempts: 1}, endpoint: through})
	key := "uploads/" + uuid.NewString() + "/" + uuid.NewString()
	if err := e.bucket.Put(t.Context(), key, "image/png", imagingtest.PNG(imagingtest.Logo(120, 90))); err != nil {
		t.Fatal(err)
	}
	job := e.jobs.add(t, "upload:"+key, 1)
	s3.Refuse()
	began := time.Now()
	if verdict := e.handle(t.Context(), t, job); verdict != worker.Ack || time.Since(began) > 20*time.Second {
		t.Errorf("verdict %d after %s", verdict, time.Since(began))
	}
	if row := e.jobs.row(t, job); row.Status != "pending" || row.Code != "store_unavailable" || !row.Ours || row.RetryIn < time.Second {
		t.Errorf("%+v", row)
	}
	s3.Accept()
	job = e.jobs.add(t, "upload:"+key, 1)
	if verdict := e.handle(t.Context(), t, job); verdict != worker.Ack {
		t.Errorf("verdict %d", verdict)
	}
	if row := e.jobs.row(t, job); row.Status != "ready" {
		t.Errorf("%+v, log:\n%s", row, e.log)
	}
}
