package product_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

// letters gives the sources' hosts of the dead letters that match, in order.
func (c *catalogue) hosts(f product.DeadLetterFilter) []string {
	c.t.Helper()
	page, err := c.letters.List(c.t.Context(), f)
	if err != nil {
		c.t.Fatal(err)
	}
	hosts := []string{}
	for _, l := range page.Letters {
		hosts = append(hosts, l.Host)
	}
	return hosts
}

func TestDeadLetterFilters(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create("https://one.example/1", "https://two.example/1")
	other := c.create("https://three.example/1")
	c.letDown(imaging.CodeSourceNotFound, w.Images...)
	c.letDown(imaging.CodeCorruptImage, other.Images...)
	c.exec(`UPDATE dead_letters SET replayed_at = now() WHERE host = 'two.example'`)
	c.exec(`UPDATE dead_letters SET created_at = '2026-01-02T03:04:05Z' WHERE host = 'one.example'`)
	later := someTime.Add(time.Microsecond)
	for name, test := range map[string]struct {
		filter product.DeadLetterFilter
		want   []string
	}{
		"all":          {product.DeadLetterFilter{}, []string{"three.example", "two.example", "one.example"}},
		"code":         {product.DeadLetterFilter{Code: new("source_not_found")}, []string{"two.example", "one.example"}},
		"stage":        {product.DeadLetterFilter{Stage: new("decode")}, []string{}},
		"host":         {product.DeadLetterFilter{Host: new("one.example")}, []string{"one.example"}},
		"fingerprint":  {product.DeadLetterFilter{Fingerprint: new("corrupt_image|fetch|three.example")}, []string{"three.example"}},
		"product":      {product.DeadLetterFilter{ProductID: &other.ID}, []string{"three.example"}},
		"replayed":     {product.DeadLetterFilter{Replayed: new(true)}, []string{"two.example"}},
		"not replayed": {product.DeadLetterFilter{Replayed: new(false)}, []string{"three.example", "one.example"}},
		"before":       {product.DeadLetterFilter{CreatedBefore: &later}, []string{"one.example"}},
		"before it":    {product.DeadLetterFilter{CreatedBefore: new(someTime)}, []string{}},
		"after":        {product.DeadLetterFilter{CreatedAfter: new(someTime)}, []string{"three.example", "two.example"}},
		"several":      {product.DeadLetterFilter{Code: new("source_not_found"), Replayed: new(false), Stage: new("fetch")}, []string{"one.example"}},
	} {
		if diff := cmp.Diff(test.want, c.hosts(test.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	_, err := c.letters.List(t.Context(), product.DeadLetterFilter{
		Limit: 101, Cursor: "x", CreatedAfter: new(someTime), CreatedBefore: new(someTime),
	})
	wantFields(t, err, "created_before", "limit", "cursor")
}

func TestDeadLetterPages(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	var want []string
	for i := range 7 {
		host := fmt.Sprintf("h%d.example", i)
		c.letDown(imaging.CodeSourceNotFound, c.create("https://"+host+"/1").Images...)
		want = append([]string{host}, want...)
	}
	var got []string
	for f := (product.DeadLetterFilter{Limit: 3}); ; {
		page, err := c.letters.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Letters {
			got = append(got, l.Host)
		}
		if page.HasMore != (page.Next != "") {
			t.Errorf("has more: %t, next %q", page.HasMore, page.Next)
		}
		if !page.HasMore {
			break
		}
		f.Cursor = page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDeadLetterShowsItsMessage(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source)
	c.letDown(imaging.CodeSourceNotFound, w.Images[0])
	c.file(bytes.Repeat([]byte{0xff}, 5000), "rejected")
	page, err := c.letters.List(t.Context(), product.DeadLetterFilter{})
	if err != nil || len(page.Letters) != 2 {
		t.Fatal(page, err)
	}
	long, short := page.Letters[0], page.Letters[1]
	if long.ImageID != nil || long.ProductID != nil || long.Generation != nil || long.Code != "unreadable" ||
		long.PayloadBytes != 5000 || len(long.Payload) != 4096 {
		t.Errorf("%+v", long)
	}
	if *short.ImageID != w.Images[0].ID || *short.ProductID != w.ID || *short.Generation != 1 || short.ReplayedAt != nil ||
		!bytes.Equal(short.Payload, encode(t, job(w.Images[0]))) || short.PayloadBytes != len(short.Payload) ||
		short.Detail != "the source answered 404" || short.RequestID != "r-job" || short.CreatedAt.IsZero() {
		t.Errorf("%+v", short)
	}
}

func TestDeadLetterGroups(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	many, few := c.create(source, source, source), c.create("https://b.example/1", "https://c.example/1")
	c.letDown(imaging.CodeSourceNotFound, many.Images...)
	c.letDown(imaging.CodeCorruptImage, few.Images...)
	c.exec(`UPDATE dead_letters SET created_at = '2026-01-02T03:04:05Z', detail = 'the oldest', replayed_at = now()
		WHERE image_id = $1`, many.Images[0].ID)
	c.exec(`UPDATE dead_letters SET detail = 'the newest' WHERE image_id = $1`, many.Images[2].ID)
	var newest uuid.UUID
	c.scan(&newest, `SELECT id FROM dead_letters WHERE image_id = $1`, many.Images[2].ID)

	groups, more, err := c.letters.Groups(t.Context(), product.DeadLetterFilter{})
	if err != nil || more || len(groups) != 3 {
		t.Fatal(groups, more, err)
	}
	if g := groups[0]; !g.Oldest.Equal(someTime) || !g.Newest.After(someTime) || g.Fingerprint != "source_not_found|fetch|a.example" {
		t.Errorf("%+v", g)
	}
	groups[0].Oldest, groups[0].Newest = someTime, someTime
	want := product.DeadLetterGroup{
		Fingerprint: "source_not_found|fetch|a.example", Code: "source_not_found", Stage: "fetch", Host: "a.example",
		Count: 3, Replayed: 1, Oldest: someTime, Newest: someTime, ExampleID: newest, ExampleDetail: "the newest",
	}
	if diff := cmp.Diff(want, groups[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Equal counts stand in the order of their fingerprints.
	if groups[1].Host != "b.example" || groups[2].Host != "c.example" || groups[1].Count != 1 || groups[2].Replayed != 0 {
		t.Errorf("%+v", groups[1:])
	}

	// Filters hold for the counts and for the example.
	groups, _, err = c.letters.Groups(t.Context(), product.DeadLetterFilter{Replayed: new(true)})
	if err != nil || len(groups) != 1 || groups[0].Count != 1 || groups[0].ExampleDetail != "the oldest" {
		t.Errorf("%+v, %v", groups, err)
	}
	groups, more, err = c.letters.Groups(t.Context(), product.DeadLetterFilter{Limit: 2})
	if err != nil || !more || len(groups) != 2 {
		t.Errorf("%+v, %t, %v", groups, more, err)
	}
}

func TestDeleteDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source, "https://b.example/1", "https://c.example/1")
	c.letDown(imaging.CodeSourceNotFound, w.Images...)
	c.exec(`UPDATE images SET settled_at = now() - interval '1 hour'`)
	before := c.get(w.ID)
	var id uuid.UUID
	c.scan(&id, `SELECT id FROM dead_letters WHERE host = 'c.example'`)
	if err := c.letters.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wantErr(t, c.letters.Delete(t.Context(), id), product.ErrNotFound)

	for name, test := range map[string]struct {
		filter product.DeadLetterFilter
		all    bool
	}{
		"nothing said":        {product.DeadLetterFilter{}, false},
		"a limit":             {product.DeadLetterFilter{Limit: 1}, false},
		"both":                {product.DeadLetterFilter{Host: new("b.example")}, true},
		"a host that is none": {product.DeadLetterFilter{Host: new(""), Limit: 5}, true},
	} {
		_, err := c.letters.DeleteMatching(t.Context(), test.filter, test.all)
		t.Log(name)
		wantFields(t, err, "all")
	}
	if n := c.count("dead_letters"); n != 3 {
		t.Fatalf("%d dead letters are left", n)
	}
	n, err := c.letters.DeleteMatching(t.Context(), product.DeadLetterFilter{Fingerprint: new("source_not_found|fetch|a.example")}, false)
	if err != nil || n != 2 || c.count("dead_letters WHERE host = 'b.example'") != 1 {
		t.Errorf("%d deleted, %v", n, err)
	}
	if n, err := c.letters.DeleteMatching(t.Context(), product.DeadLetterFilter{}, true); err != nil || n != 1 {
		t.Errorf("%d deleted, %v", n, err)
	}

	// The images stay failed, and nobody files them again.
	c.reconcile(empty)
	if n := c.count("dead_letters"); n != 0 {
		t.Errorf("%d were filed again", n)
	}
	if diff := cmp.Diff(before, c.get(w.ID)); diff != "" {
		t.Errorf("the product has changed:\n%s", diff)
	}
	_, err = c.jobs.Claim(t.Context(), job(w.Images[0]), "w", lease)
	wantErr(t, err, imaging.ErrNothingToDo)
}

func TestDeleteManyDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.exec(`INSERT INTO dead_letters (id, payload, payload_bytes, payload_sha256, reason, code, stage, host, detail, fingerprint)
		SELECT gen_random_uuid(), '', 0, n, 'rejected', 'unreadable', '', '', '', 'unreadable||' FROM generate_series(1, 10001) AS n`)
	n, err := c.letters.DeleteMatching(t.Context(), product.DeadLetterFilter{Code: new("unreadable")}, false)
	if err != nil || n != 10001 || c.count("dead_letters") != 0 {
		t.Errorf("%d deleted, %v", n, err)
	}
}
