package job_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
	"vitrine/imaging/worker"
	"vitrine/product"
)

// wantNamed checks that the bucket has what the images name. A square that none of
// them names any more lies there as long as one was made of the same bytes.
func wantNamed(s *testenv.Pipeline) {
	s.T.Helper()
	stored := s.Bucket.Keys()
	for _, key := range s.NamedKeys() {
		if !slices.Contains(stored, key) {
			s.T.Errorf("%s is named and not there", key)
		}
	}
}

// keysOf returns the keys that an image names.
func keysOf(s *testenv.Pipeline, image testenv.Image) []string {
	s.T.Helper()
	var text string
	s.Scan(&text, `SELECT string_agg(v ->> 'key', ' ') FROM images, jsonb_array_elements(variants) AS v WHERE images.id = $1`, image.ID)
	return strings.Fields(text)
}

// TestDuplicatesOfTwoPipelineVersions has the settings be others when the same bytes come
// once more: what the first image names is immutable.
func TestDuplicatesOfTwoPipelineVersions(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	s.Sources.Serve(imagingtest.JPEG(imagingtest.Photo(400, 300, 5), 95, 1))
	w := s.NewProduct(s.Sources.URL+"/logo.png", s.Sources.URL+"/logo.png")
	s.ProcessFirst(s.NewWorker(worker.Config{Process: process.Config{SSIMTarget: 0.81}}), w.Images[0])
	s.ProcessFirst(s.NewWorker(worker.Config{Process: process.Config{SSIMTarget: 0.998}}), w.Images[1])
	old := keysOf(s, w.Images[0])
	for _, key := range keysOf(s, w.Images[1]) {
		if slices.Contains(old, key) {
			t.Errorf("%s was written again in another way", key)
		}
	}
	if !strings.Contains(old[0], "/main-") || !strings.HasSuffix(old[0], ".jpg") {
		t.Errorf("main is at %s", old[0])
	}
	s.WantObjects()
}

// TestDuplicateWhoseSquareIsNotMadeYet has an image of the same bytes have the point that
// another one was given a moment ago.
func TestDuplicateWhoseSquareIsNotMadeYet(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewProduct(s.Sources.URL+"/logo.png", s.Sources.URL+"/logo.png")
	s.ProcessFirst(s.Worker, w.Images[0])
	for _, image := range w.Images {
		patch := product.ImagePatch{Focal: &product.Focal{X: 0.1, Y: 0.2}}
		if _, err := s.PatchImage(t.Context(), product.Everything(), w.ID, image.ID, patch, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	s.ProcessFirst(s.Worker, w.Images[1])
	s.RunReprocessing(s.Worker)
	s.AwaitReprocessed()
	for i, image := range w.Images {
		if keys := keysOf(s, image); !strings.Contains(keys[3], "/square-100-200") {
			t.Errorf("the square of image %d is %s", i, keys[3])
		}
	}
	s.DeleteObjects()
	wantNamed(s)
}

// TestDuplicateWaitsForTheObjectStore has it be down when only the source is to be stored.
func TestDuplicateWaitsForTheObjectStore(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewProduct(s.Sources.URL+"/logo.png", s.Sources.URL+"/logo.png")
	s.ProcessFirst(s.Worker, w.Images[0])
	s.S3.Refuse()
	body, err := testenv.JobOf(w.Images[1]).Encode()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if verdict := s.Worker.Handle(ctx, body); verdict != worker.Ack || ctx.Err() != nil {
		t.Fatalf("the try ended with %d, %v", verdict, ctx.Err())
	}
	if n := s.Count(`images WHERE id = $1 AND status = 'pending' AND attempts = 0 AND deferrals = 1`, w.Images[1].ID); n != 1 {
		t.Error("the image does not wait for another try")
	}
	s.S3.Accept()
	s.Exec(`UPDATE images SET queued_at = clock_timestamp() WHERE status = 'pending'`)
	s.ProcessFirst(s.Worker, w.Images[1])
	if got := s.Product(w.ID); got.ImageStatus != "ready" {
		t.Errorf("%+v", got)
	}
}

// TestReprocessingOvertaken has a worker sleep after it has stored, be taken for dead, and
// wake up after another worker has made the image anew round another focal point.
func TestReprocessingOvertaken(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	stored, wake := make(chan struct{}), make(chan struct{})
	s.RunReprocessing(s.NewWorkerOn(testenv.HookedStore{JobStore: s.Jobs, Settling: func(context.Context) {
		close(stored)
		<-wake
	}}, testenv.RetryLater))
	testenv.Receive(t, "a value", stored)
	s.SetFocal(w, &product.Focal{X: 0.1, Y: 0.2})
	if n := s.Count(testenv.DueFocal); n != 1 {
		t.Errorf("%d images wait for a square", n)
	}
	s.RunReprocessing(s.Worker)
	s.LoseWorkers()
	s.AwaitReprocessed()
	close(wake)
	if keys := keysOf(s, w.Images[0]); len(keys) != 6 || !strings.Contains(keys[3], "/square-100-200") {
		t.Errorf("%q", keys)
	}
	if n := s.Count(`image_attempts WHERE outcome = 'reprocessed'`); n != 2 {
		t.Errorf("%d attempts have changed it", n)
	}
	s.DeleteObjects()
	wantNamed(s)
}

// TestReprocessingOfAFailingHostEnds has more pictures of a host than it takes to hold it
// for a failing one.
func TestReprocessingOfAFailingHostEnds(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png", "/logo.png", "/logo.png")
	if err := s.Bucket.DeletePrefix(t.Context(), "originals/"+s.ObjectKey(w.ID).String()+"/"); err != nil {
		t.Fatal(err)
	}
	s.Sources.Answer(http.StatusBadGateway)
	s.RunReprocessing(s.NewWorker(testenv.RetryAtOnce))
	s.AwaitReprocessed()
	for _, image := range w.Images {
		if a := s.LatestAttempt(image.ID); a.Outcome != "kept" || a.Code != "source_unavailable" || a.Attempt != 5 {
			t.Errorf("%+v", a)
		}
	}
}
