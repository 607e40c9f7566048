package product_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/picture"
	"vitrine/product"
)

// reprocess asks for a product's images anew.
func (s *studio) reprocess(id int64) product.Reprocessing {
	s.t.Helper()
	begun, _, err := s.jobs.Reprocess(s.t.Context(), product.Everything(), id, product.Precondition{})
	if err != nil {
		s.t.Fatal(err)
	}
	return begun
}

func TestReprocessOfASource(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*studio)
		outcome string
		code    string
		grows   bool
		sent    int // files
	}{
		"the same":         {func(*studio) {}, "unchanged", "", false, 0},
		"with another tag": {func(s *studio) { s.exec(`UPDATE images SET source_etag = '"old"'`) }, "unchanged", "", false, 1},
		"another":          {func(s *studio) { s.host.serve(picture.PNG(picture.Corners(240, 200))) }, "reprocessed", "", true, 1},
		"gone":             {func(s *studio) { s.host.serve(nil) }, "kept", "source_not_found", false, 0},
		"damaged": {func(s *studio) { s.host.serve(picture.Truncated(picture.PNG(picture.Logo(100, 100)))) },
			"kept", "corrupt_image", false, 1},
		"refused": {func(s *studio) { s.host.answer(http.StatusForbidden) }, "kept", "source_denied", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			w := s.ready("/logo.png")
			s.process(s.worker)
			s.idle()
			before, named := s.get(w.ID), s.named()
			tc.change(s)
			sent := s.host.downloads()
			if begun := s.reprocess(w.ID); begun != (product.Reprocessing{Reprocessing: 1}) {
				t.Errorf("%+v", begun)
			}
			s.idle()
			image := w.Images[0].ID
			if n := s.host.downloads() - sent; n != tc.sent {
				t.Errorf("%d files were sent", n)
			}
			if tc.outcome == "unchanged" && s.count(`images WHERE source_etag = '"old"'`) != 0 {
				t.Error("the new tag was not kept")
			}
			if a := s.attempt(image); a.Outcome != tc.outcome || a.Code != tc.code || !strings.HasPrefix(a.Detail, "reprocess") {
				t.Errorf("%+v", a)
			}
			after := s.get(w.ID)
			if grown := after.Version != before.Version; grown != tc.grows || after.ImageStatus != "ready" {
				t.Errorf("%+v, before it was %+v", after, before)
			}
			if changed := strings.Join(s.named(), " ") != strings.Join(named, " "); changed != tc.grows {
				t.Errorf("named are %q, before %q", s.named(), named)
			}
			if s.webps(image) != 2 {
				t.Error("the WebP variants are gone")
			}
			if tc.grows { // until the deletions are due, the old URLs still lead somewhere
				keys := strings.Join(s.bucket.keys(), " ")
				for _, key := range named {
					if !strings.Contains(keys, key) {
						t.Errorf("%s is gone at once", key)
					}
				}
			}
			s.deletions()
			s.wantObjects()
		})
	}
}

func TestReprocessBeginsFailedImagesAnew(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.exec(`DELETE FROM outbox`)
	s.exec(`UPDATE images SET reprocess = '{}'`)
	w = s.setImages(w.ID, w.Images[0].Source, "https://a.example/2.png", "https://a.example/3.png")
	s.letDown(imaging.CodeSourceNotFound, w.Images[1])
	version := s.get(w.ID).Version
	_, _, err := s.jobs.Reprocess(t.Context(), product.Everything(), w.ID, product.Precondition{Version: version - 1})
	wantErr(t, err, product.ErrPrecondition)
	_, _, err = s.jobs.Reprocess(t.Context(), product.OwnedBy(unknownID), w.ID, product.Precondition{})
	wantErr(t, err, product.ErrNotFound)
	begun, after, err := s.jobs.Reprocess(t.Context(), product.OwnedBy(s.user), w.ID, product.Precondition{Version: version})
	if err != nil || begun != (product.Reprocessing{Reprocessing: 1, Retrying: 1, Pending: 1}) || after.Version != version+1 {
		t.Fatalf("%+v, version %d after %d, %v", begun, after.Version, version, err)
	}
	if got := s.get(w.ID); got.Images[0].Status != "ready" || got.Images[1].Status != "pending" {
		t.Errorf("%+v", got)
	}
	// Asked for twice, it is begun once.
	if begun, after, err = s.jobs.Reprocess(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil ||
		begun != (product.Reprocessing{Reprocessing: 1, Pending: 2}) || after.Version != version+1 {
		t.Errorf("%+v, version %d, %v", begun, after.Version, err)
	}
	if n := s.count(`images WHERE reprocess @> '{reprocess}'`); n != 1 || s.count(`outbox WHERE priority = 1`) != 1 {
		t.Errorf("%d images wait, with %d jobs", n, s.count(`outbox WHERE priority = 1`))
	}
}

// TestReprocessWithAnotherPipelineVersion has WebP be made of other sizes, and not at all, and
// all be made differently.
func TestReprocessWithAnotherPipelineVersion(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	w := s.ready("/logo.png")
	image := w.Images[0].ID
	s.processAll(s.worker)
	steps := []struct {
		name    string
		worker  imaging.WorkerConfig
		version string // what the image is said to be made by, unless empty
		webp    int
		keeps   bool // the variants that are no WebP
	}{
		{"one size", imaging.WorkerConfig{WebP: []string{"small"}}, "", 1, true},
		{"none", imaging.WorkerConfig{}, "", 0, true},
		{"another release's", imaging.WorkerConfig{WebP: []string{"main"}}, "0 of old", 1, false},
	}
	for _, step := range steps {
		before := *s.get(w.ID).Images[0].URL
		if step.version != "" {
			s.exec(`UPDATE images SET pipeline_version = $1`, step.version)
		}
		s.reprocess(w.ID)
		s.processAll(s.newWorker(step.worker))
		if n := s.webps(image); n != step.webp {
			t.Errorf("%s: %d WebP variants", step.name, n)
		}
		if kept := *s.get(w.ID).Images[0].URL == before; kept != step.keeps {
			t.Errorf("%s: the main variant is at %s, before it was at %s", step.name, *s.get(w.ID).Images[0].URL, before)
		}
		s.deletions()
		s.wantObjects()
	}
}

func TestReprocessAll(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	a, b, c := s.ready("/logo.png"), s.ready("/logo.png"), s.ready("/logo.png")
	s.create(source) // pending
	s.exec(`UPDATE images SET reprocess = '{}' WHERE id <> $1`, a.Images[0].ID)
	s.exec(`DELETE FROM outbox WHERE subject <> $1`, a.Images[0].ID)
	s.exec(`UPDATE images SET pipeline_version = 'now' WHERE id = $1`, b.Images[0].ID)
	all := func(version string) (total int) {
		t.Helper()
		if err := product.ReprocessAll(t.Context(), s.store, version, func(n int) { total = n }); err != nil {
			t.Fatal(err)
		}
		return total
	}
	// The first one has no WebP variants yet: making them makes it what it should be.
	if n := all("now"); n != 1 || s.count(`outbox WHERE subject = $1 AND priority = 2`, c.Images[0].ID) != 1 {
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

// newArchive is a studio with 1,501 ready images, more than a page.
func newArchive(t *testing.T) *studio {
	t.Helper()
	s := newStudio(t)
	w := s.ready("/logo.png")
	s.exec(`DELETE FROM outbox`)
	s.exec(`UPDATE images SET reprocess = '{}'`)
	s.exec(`INSERT INTO products (user_id, product_name, product_price, product_images)
		SELECT $1, 'x', 1, ARRAY['https://a.example/'] FROM generate_series(1, 1500)`, s.user)
	s.exec(`INSERT INTO images (id, product_id, position, source, status, source_sha256, variants)
		SELECT gen_random_uuid(), p.id, 0, 'https://a.example/', 'ready', i.source_sha256, i.variants
		FROM products AS p, images AS i WHERE p.id <> $1 AND i.product_id = $1`, w.ID)
	return s
}

func TestReprocessAllInPages(t *testing.T) {
	t.Parallel()
	s := newArchive(t)
	var steps []int
	if err := product.ReprocessAll(t.Context(), s.store, "", func(n int) { steps = append(steps, n) }); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 2 || steps[0] != 1000 || steps[len(steps)-1] != 1501 || s.count(`outbox WHERE priority = 2`) != 1501 {
		t.Errorf("steps %v", steps)
	}
}

// TestReprocessAllBrokenOff has it end after a page, and be called once more.
func TestReprocessAllBrokenOff(t *testing.T) {
	t.Parallel()
	s := newArchive(t)
	ctx, cancel := context.WithCancel(t.Context())
	total := 0
	err := product.ReprocessAll(ctx, s.store, "", func(n int) {
		total = n
		cancel()
	})
	if wantErr(t, err, context.Canceled); total != 1000 || s.count(`outbox WHERE priority = 2`) != 1000 {
		t.Errorf("%d were asked for before it was broken off", total)
	}
	if err := product.ReprocessAll(t.Context(), s.store, "", func(n int) { total = n }); err != nil {
		t.Fatal(err)
	}
	if total != 501 || s.count(`outbox WHERE priority = 2`) != 1501 {
		t.Errorf("%d were asked for by the next call", total)
	}
}
