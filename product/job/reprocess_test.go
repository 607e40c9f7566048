package job_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/worker"
	"vitrine/product"
	"vitrine/product/job"
)

// reprocess asks for reprocessing of a product's images.
func reprocess(s *testenv.Pipeline, id int64) job.Reprocessing {
	s.T.Helper()
	begun, _, err := s.Jobs.Reprocess(s.T.Context(), product.Everything(), id, product.Precondition{})
	if err != nil {
		s.T.Fatal(err)
	}
	return begun
}

func TestReprocessOfASource(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*testenv.Pipeline)
		outcome string
		code    string
		grows   bool
		sent    int // files
	}{
		"the same":         {func(*testenv.Pipeline) {}, "unchanged", "", false, 0},
		"with another tag": {func(s *testenv.Pipeline) { s.Exec(`UPDATE images SET source_etag = '"old"'`) }, "unchanged", "", false, 1},
		"another":          {func(s *testenv.Pipeline) { s.Sources.Serve(imagingtest.PNG(imagingtest.Corners(240, 200))) }, "reprocessed", "", true, 1},
		"gone":             {func(s *testenv.Pipeline) { s.Sources.Serve(nil) }, "kept", "source_not_found", false, 0},
		"damaged": {func(s *testenv.Pipeline) {
			s.Sources.Serve(imagingtest.Truncated(imagingtest.PNG(imagingtest.Logo(100, 100))))
		},
			"kept", "corrupt_image", false, 1},
		"refused": {func(s *testenv.Pipeline) { s.Sources.Answer(http.StatusForbidden) }, "kept", "source_denied", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.NewPipeline(t)
			w := s.NewReadyProduct("/logo.png")
			s.RunReprocessing(s.Worker)
			s.AwaitReprocessed()
			before, named := s.Product(w.ID), s.NamedKeys()
			tc.change(s)
			sent := s.Sources.Downloads()
			if begun := reprocess(s, w.ID); begun != (job.Reprocessing{Reprocessing: 1}) {
				t.Errorf("%+v", begun)
			}
			s.AwaitReprocessed()
			image := w.Images[0].ID
			if n := s.Sources.Downloads() - sent; n != tc.sent {
				t.Errorf("%d files were sent", n)
			}
			if tc.outcome == "unchanged" && s.Count(`images WHERE source_etag = '"old"'`) != 0 {
				t.Error("the new tag was not kept")
			}
			if a := s.LatestAttempt(image); a.Outcome != tc.outcome || a.Code != tc.code || !strings.HasPrefix(a.Detail, "reprocess") {
				t.Errorf("%+v", a)
			}
			after := s.Product(w.ID)
			if grown := after.Version != before.Version; grown != tc.grows || after.ImageStatus != "ready" {
				t.Errorf("%+v, before it was %+v", after, before)
			}
			if changed := strings.Join(s.NamedKeys(), " ") != strings.Join(named, " "); changed != tc.grows {
				t.Errorf("named are %q, before %q", s.NamedKeys(), named)
			}
			if s.CountWebP(image) != 2 {
				t.Error("the WebP variants are gone")
			}
			if tc.grows { // until the deletions are due, the old URLs still lead somewhere
				keys := strings.Join(s.Bucket.Keys(), " ")
				for _, key := range named {
					if !strings.Contains(keys, key) {
						t.Errorf("%s is gone at once", key)
					}
				}
			}
			s.DeleteObjects()
			s.WantObjects()
		})
	}
}

func TestReprocessBeginsFailedImagesAnew(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	s.Exec(`DELETE FROM outbox`)
	s.Exec(`UPDATE images SET reprocess = '{}'`)
	w = s.SetImages(w.ID, w.Images[0].Source, "https://a.example/2.png", "https://a.example/3.png")
	s.FailImages(imaging.CodeSourceNotFound, w.Images[1])
	version := s.Product(w.ID).Version
	_, _, err := s.Jobs.Reprocess(t.Context(), product.Everything(), w.ID, product.Precondition{Version: version - 1})
	testenv.WantErr(t, err, product.ErrPrecondition)
	_, _, err = s.Jobs.Reprocess(t.Context(), product.OwnedBy(testenv.UnknownID), w.ID, product.Precondition{})
	testenv.WantErr(t, err, product.ErrNotFound)
	begun, after, err := s.Jobs.Reprocess(t.Context(), product.OwnedBy(s.User), w.ID, product.Precondition{Version: version})
	if err != nil || begun != (job.Reprocessing{Reprocessing: 1, Retrying: 1, Pending: 1}) || after.Version != version+1 {
		t.Fatalf("%+v, version %d after %d, %v", begun, after.Version, version, err)
	}
	if got := s.Product(w.ID); got.Images[0].Status != "ready" || got.Images[1].Status != "pending" {
		t.Errorf("%+v", got)
	}
	// Asked for twice, it is begun once.
	if begun, after, err = s.Jobs.Reprocess(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil ||
		begun != (job.Reprocessing{Reprocessing: 1, Pending: 2}) || after.Version != version+1 {
		t.Errorf("%+v, version %d, %v", begun, after.Version, err)
	}
	if n := s.Count(`images WHERE reprocess @> '{reprocess}'`); n != 1 || s.Count(`outbox WHERE priority = 1`) != 1 {
		t.Errorf("%d images wait, with %d jobs", n, s.Count(`outbox WHERE priority = 1`))
	}
}

// TestReprocessWithAnotherPipelineVersion has WebP be made of other sizes, and not at all, and
// all be made differently.
func TestReprocessWithAnotherPipelineVersion(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	image := w.Images[0].ID
	s.ReprocessAll(s.Worker)
	steps := []struct {
		name    string
		worker  worker.Config
		version string // what the image is said to be made by, unless empty
		webp    int
		keeps   bool // the variants that are no WebP
	}{
		{"one size", worker.Config{WebP: []string{"small"}}, "", 1, true},
		{"none", worker.Config{}, "", 0, true},
		{"another release's", worker.Config{WebP: []string{"main"}}, "0 of old", 1, false},
	}
	for _, step := range steps {
		before := *s.Product(w.ID).Images[0].URL
		if step.version != "" {
			s.Exec(`UPDATE images SET pipeline_version = $1`, step.version)
		}
		reprocess(s, w.ID)
		s.ReprocessAll(s.NewWorker(step.worker))
		if n := s.CountWebP(image); n != step.webp {
			t.Errorf("%s: %d WebP variants", step.name, n)
		}
		if kept := *s.Product(w.ID).Images[0].URL == before; kept != step.keeps {
			t.Errorf("%s: the main variant is at %s, before it was at %s", step.name, *s.Product(w.ID).Images[0].URL, before)
		}
		s.DeleteObjects()
		s.WantObjects()
	}
}

func TestReprocessAll(t *testing.T) {
	t.Parallel()
	s := testenv.NewPipeline(t)
	a, b, c := s.NewReadyProduct("/logo.png"), s.NewReadyProduct("/logo.png"), s.NewReadyProduct("/logo.png")
	s.NewProduct(testenv.Source) // pending
	s.Exec(`UPDATE images SET reprocess = '{}' WHERE id <> $1`, a.Images[0].ID)
	s.Exec(`DELETE FROM outbox WHERE subject <> $1`, a.Images[0].ID)
	s.Exec(`UPDATE images SET pipeline_version = 'now' WHERE id = $1`, b.Images[0].ID)
	all := func(version string) (total int) {
		t.Helper()
		if err := job.ReprocessAll(t.Context(), s.Store, version, func(n int) { total = n }); err != nil {
			t.Fatal(err)
		}
		return total
	}
	// The first one has no WebP variants yet: making them makes it what it should be.
	if n := all("now"); n != 1 || s.Count(`outbox WHERE subject = $1 AND priority = 2`, c.Images[0].ID) != 1 {
		t.Errorf("%d were asked for", n)
	}
	if n := all("now"); n != 0 {
		t.Errorf("%d were asked for once more", n)
	}
	if n := all(""); n != 2 {
		t.Errorf("%d more were asked for", n)
	}
	if n := all(""); n != 0 {
		t.Errorf("%d were asked for once more", n)
	}
}

// newArchive returns a pipeline with 1,501 ready images, more than a page.
func newArchive(t *testing.T) *testenv.Pipeline {
	t.Helper()
	s := testenv.NewPipeline(t)
	w := s.NewReadyProduct("/logo.png")
	s.Exec(`DELETE FROM outbox`)
	s.Exec(`UPDATE images SET reprocess = '{}'`)
	s.Exec(`INSERT INTO products (user_id, product_name, product_price, product_images)
		SELECT $1, 'x', 1, ARRAY['https://a.example/'] FROM generate_series(1, 1500)`, s.User)
	s.Exec(`INSERT INTO images (id, product_id, position, source, status, source_sha256, variants)
		SELECT gen_random_uuid(), p.id, 0, 'https://a.example/', 'ready', i.source_sha256, i.variants
		FROM products AS p, images AS i WHERE p.id <> $1 AND i.product_id = $1`, w.ID)
	return s
}

func TestReprocessAllInPages(t *testing.T) {
	t.Parallel()
	s := newArchive(t)
	var steps []int
	if err := job.ReprocessAll(t.Context(), s.Store, "", func(n int) { steps = append(steps, n) }); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 2 || steps[0] != 1000 || steps[len(steps)-1] != 1501 || s.Count(`outbox WHERE priority = 2`) != 1501 {
		t.Errorf("steps %v", steps)
	}
}

// TestReprocessAllBrokenOff has it end after a page, and be called once more.
func TestReprocessAllBrokenOff(t *testing.T) {
	t.Parallel()
	s := newArchive(t)
	ctx, cancel := context.WithCancel(t.Context())
	total := 0
	err := job.ReprocessAll(ctx, s.Store, "", func(n int) {
		total = n
		cancel()
	})
	if testenv.WantErr(t, err, context.Canceled); total != 1000 || s.Count(`outbox WHERE priority = 2`) != 1000 {
		t.Errorf("%d were asked for before the interruption", total)
	}
	if err := job.ReprocessAll(t.Context(), s.Store, "", func(n int) { total = n }); err != nil {
		t.Fatal(err)
	}
	if total != 501 || s.Count(`outbox WHERE priority = 2`) != 1501 {
		t.Errorf("%d were asked for by the next call", total)
	}
}
