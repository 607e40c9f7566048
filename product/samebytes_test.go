package product_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
)

// wantNamed checks that the bucket has what the images name. A square that none of
// them names any more lies there as long as one was made of the same bytes.
func (s *studio) wantNamed() {
	s.t.Helper()
	stored := s.bucket.keys()
	for _, key := range s.named() {
		if !slices.Contains(stored, key) {
			s.t.Errorf("%s is named and not there", key)
		}
	}
}

// keysOf gives what an image names.
func (s *studio) keysOf(image wireImage) []string {
	s.t.Helper()
	var text string
	s.scan(&text, `SELECT string_agg(v ->> 'key', ' ') FROM images, jsonb_array_elements(variants) AS v WHERE images.id = $1`, image.ID)
	return strings.Fields(text)
}

// TestDuplicatesOfTwoPipelineVersions has the settings be others when the same bytes come
// once more: what the first image names is immutable.
func TestDuplicatesOfTwoPipelineVersions(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.host.serve(picture.JPEG(picture.Photo(400, 300, 5), 95, 1))
	w := s.create(s.host.URL+"/logo.png", s.host.URL+"/logo.png")
	s.first(s.newWorker(imaging.WorkerConfig{Process: imaging.ProcessConfig{Likeness: 0.81}}), w.Images[0])
	s.first(s.newWorker(imaging.WorkerConfig{Process: imaging.ProcessConfig{Likeness: 0.998}}), w.Images[1])
	old := s.keysOf(w.Images[0])
	for _, key := range s.keysOf(w.Images[1]) {
		if slices.Contains(old, key) {
			t.Errorf("%s was written again in another way", key)
		}
	}
	if !strings.Contains(old[0], "/main-") || !strings.HasSuffix(old[0], ".jpg") {
		t.Errorf("main is at %s", old[0])
	}
	s.wantObjects()
}

// TestDuplicateWhoseSquareIsNotMadeYet has an image of the same bytes have the point that
// another one was given a moment ago.
func TestDuplicateWhoseSquareIsNotMadeYet(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.create(s.host.URL+"/logo.png", s.host.URL+"/logo.png")
	s.first(s.worker, w.Images[0])
	for _, image := range w.Images {
		patch := product.ImagePatch{Focal: &product.Focal{X: 0.1, Y: 0.2}}
		if _, err := s.PatchImage(t.Context(), product.Everything(), w.ID, image.ID, patch, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	s.first(s.worker, w.Images[1])
	s.process(s.worker)
	s.idle()
	for i, image := range w.Images {
		if keys := s.keysOf(image); !strings.Contains(keys[3], "/square-100-200") {
			t.Errorf("the square of image %d is %s", i, keys[3])
		}
	}
	s.deletions()
	s.wantNamed()
}

// TestDuplicateWaitsForTheObjectStore has it be down when only the source is to be stored.
func TestDuplicateWaitsForTheObjectStore(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.create(s.host.URL+"/logo.png", s.host.URL+"/logo.png")
	s.first(s.worker, w.Images[0])
	s.s3.Refuse()
	body, err := job(w.Images[1]).Encode()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if verdict := s.worker.Handle(ctx, body); verdict != imaging.Ack || ctx.Err() != nil {
		t.Fatalf("the try ended with %d, %v", verdict, ctx.Err())
	}
	if n := s.count(`images WHERE id = $1 AND status = 'pending' AND attempts = 0 AND deferrals = 1`, w.Images[1].ID); n != 1 {
		t.Error("the image does not wait for another try")
	}
	s.s3.Accept()
	s.exec(`UPDATE images SET queued_at = clock_timestamp() WHERE status = 'pending'`)
	s.first(s.worker, w.Images[1])
	if got := s.get(w.ID); got.ImageStatus != "ready" {
		t.Errorf("%+v", got)
	}
}

// TestReprocessingOvertaken has a worker sleep after it has stored, be taken for dead, and
// wake up after another worker has made the image anew round another focal point.
func TestReprocessingOvertaken(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	stored, wake := make(chan struct{}), make(chan struct{})
	s.process(s.newWorkerOn(hooked{JobStore: s.jobs, settling: func(context.Context) {
		close(stored)
		<-wake
	}}, unhurried))
	testenv.Receive(t, "a value", stored)
	s.patchFocal(w, &product.Focal{X: 0.1, Y: 0.2})
	if n := s.count(focalWork); n != 1 {
		t.Errorf("%d images wait for a square", n)
	}
	s.process(s.worker)
	s.vanish()
	s.idle()
	close(wake)
	if keys := s.keysOf(w.Images[0]); len(keys) != 6 || !strings.Contains(keys[3], "/square-100-200") {
		t.Errorf("%q", keys)
	}
	if n := s.count(`image_attempts WHERE outcome = 'reprocessed'`); n != 2 {
		t.Errorf("%d attempts have changed it", n)
	}
	s.deletions()
	s.wantNamed()
}

// TestReprocessingOfAFailingHostEnds has more pictures of a host than it takes to hold it
// for a failing one.
func TestReprocessingOfAFailingHostEnds(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png", "/logo.png", "/logo.png")
	if err := s.bucket.DeletePrefix(t.Context(), "originals/"+s.objectKey(w.ID).String()+"/"); err != nil {
		t.Fatal(err)
	}
	s.host.answer(http.StatusBadGateway)
	s.process(s.newWorker(hasty))
	s.idle()
	for _, image := range w.Images {
		if a := s.attempt(image.ID); a.Outcome != "kept" || a.Code != "source_unavailable" || a.Attempt != 5 {
			t.Errorf("%+v", a)
		}
	}
}
