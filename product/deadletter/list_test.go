package deadletter_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/deadletter"
)

// hosts returns the hosts of the sources of the matching dead letters, in order.
func hosts(c *testenv.Environment, f deadletter.Filter) []string {
	c.T.Helper()
	page, err := c.DeadLetters.List(c.T.Context(), f)
	if err != nil {
		c.T.Fatal(err)
	}
	hosts := []string{}
	for _, l := range page.Items {
		hosts = append(hosts, l.Host)
	}
	return hosts
}

func TestDeadLetterFilters(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct("https://one.example/1", "https://two.example/1")
	other := c.NewProduct("https://three.example/1")
	c.FailImages(imaging.CodeSourceNotFound, w.Images...)
	c.FailImages(imaging.CodeCorruptImage, other.Images...)
	c.Exec(`UPDATE dead_letters SET replayed_at = now() WHERE host = 'two.example'`)
	c.Exec(`UPDATE dead_letters SET created_at = '2026-01-02T03:04:05Z' WHERE host = 'one.example'`)
	later := testenv.SomeTime.Add(time.Microsecond)
	for name, test := range map[string]struct {
		filter deadletter.Filter
		want   []string
	}{
		"all":          {deadletter.Filter{}, []string{"three.example", "two.example", "one.example"}},
		"code":         {deadletter.Filter{Code: new("source_not_found")}, []string{"two.example", "one.example"}},
		"stage":        {deadletter.Filter{Stage: new("decode")}, []string{}},
		"host":         {deadletter.Filter{Host: new("one.example")}, []string{"one.example"}},
		"fingerprint":  {deadletter.Filter{Fingerprint: new("corrupt_image|fetch|three.example")}, []string{"three.example"}},
		"product":      {deadletter.Filter{ProductID: &other.ID}, []string{"three.example"}},
		"replayed":     {deadletter.Filter{Replayed: new(true)}, []string{"two.example"}},
		"not replayed": {deadletter.Filter{Replayed: new(false)}, []string{"three.example", "one.example"}},
		"before":       {deadletter.Filter{CreatedBefore: &later}, []string{"one.example"}},
		"before it":    {deadletter.Filter{CreatedBefore: new(testenv.SomeTime)}, []string{}},
		"after":        {deadletter.Filter{CreatedAfter: new(testenv.SomeTime)}, []string{"three.example", "two.example"}},
		"several":      {deadletter.Filter{Code: new("source_not_found"), Replayed: new(false), Stage: new("fetch")}, []string{"one.example"}},
	} {
		if diff := cmp.Diff(test.want, hosts(c, test.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	_, err := c.DeadLetters.List(t.Context(), deadletter.Filter{
		Limit: 101, Cursor: "x", CreatedAfter: new(testenv.SomeTime), CreatedBefore: new(testenv.SomeTime),
	})
	testenv.WantFields(t, err, "created_before", "limit", "cursor")
}

func TestDeadLetterPages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	var want []string
	for i := range 7 {
		host := fmt.Sprintf("h%d.example", i)
		c.FailImages(imaging.CodeSourceNotFound, c.NewProduct("https://"+host+"/1").Images...)
		want = append([]string{host}, want...)
	}
	var got []string
	for f := (deadletter.Filter{Limit: 3}); ; {
		page, err := c.DeadLetters.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Items {
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
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	c.FailImages(imaging.CodeSourceNotFound, w.Images[0])
	c.FileDeadLetter(bytes.Repeat([]byte{0xff}, 5000), "rejected")
	page, err := c.DeadLetters.List(t.Context(), deadletter.Filter{})
	if err != nil || len(page.Items) != 2 {
		t.Fatal(page, err)
	}
	long, short := page.Items[0], page.Items[1]
	if long.ImageID != nil || long.ProductID != nil || long.Generation != nil || long.Code != "unreadable" ||
		long.PayloadBytes != 5000 || len(long.Payload) != 4096 {
		t.Errorf("%+v", long)
	}
	if *short.ImageID != w.Images[0].ID || *short.ProductID != w.ID || *short.Generation != 1 || short.ReplayedAt != nil ||
		!bytes.Equal(short.Payload, testenv.Encode(t, testenv.JobOf(w.Images[0]))) || short.PayloadBytes != len(short.Payload) ||
		short.Detail != "the source answered 404" || short.RequestID != "r-job" || short.CreatedAt.IsZero() {
		t.Errorf("%+v", short)
	}
}

func TestDeadLetterGroups(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	many, few := c.NewProduct(testenv.Source, testenv.Source, testenv.Source), c.NewProduct("https://b.example/1", "https://c.example/1")
	c.FailImages(imaging.CodeSourceNotFound, many.Images...)
	c.FailImages(imaging.CodeCorruptImage, few.Images...)
	c.Exec(`UPDATE dead_letters SET created_at = '2026-01-02T03:04:05Z', detail = 'the oldest', replayed_at = now()
		WHERE image_id = $1`, many.Images[0].ID)
	c.Exec(`UPDATE dead_letters SET detail = 'the newest' WHERE image_id = $1`, many.Images[2].ID)
	var newest uuid.UUID
	c.Scan(&newest, `SELECT id FROM dead_letters WHERE image_id = $1`, many.Images[2].ID)

	groups, more, err := c.DeadLetters.Groups(t.Context(), deadletter.Filter{})
	if err != nil || more || len(groups) != 3 {
		t.Fatal(groups, more, err)
	}
	if g := groups[0]; !g.Oldest.Equal(testenv.SomeTime) || !g.Newest.After(testenv.SomeTime) || g.Fingerprint != "source_not_found|fetch|a.example" {
		t.Errorf("%+v", g)
	}
	groups[0].Oldest, groups[0].Newest = testenv.SomeTime, testenv.SomeTime
	want := deadletter.Group{
		Fingerprint: "source_not_found|fetch|a.example", Code: "source_not_found", Stage: "fetch", Host: "a.example",
		Count: 3, Replayed: 1, Oldest: testenv.SomeTime, Newest: testenv.SomeTime, ExampleID: newest, ExampleDetail: "the newest",
	}
	if diff := cmp.Diff(want, groups[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Equal counts stand in the order of their fingerprints.
	if groups[1].Host != "b.example" || groups[2].Host != "c.example" || groups[1].Count != 1 || groups[2].Replayed != 0 {
		t.Errorf("%+v", groups[1:])
	}

	// Filters hold for the counts and for the example.
	groups, _, err = c.DeadLetters.Groups(t.Context(), deadletter.Filter{Replayed: new(true)})
	if err != nil || len(groups) != 1 || groups[0].Count != 1 || groups[0].ExampleDetail != "the oldest" {
		t.Errorf("%+v, %v", groups, err)
	}
	groups, more, err = c.DeadLetters.Groups(t.Context(), deadletter.Filter{Limit: 2})
	if err != nil || !more || len(groups) != 2 {
		t.Errorf("%+v, %t, %v", groups, more, err)
	}
}

func TestDeleteDeadLetters(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, "https://b.example/1", "https://c.example/1")
	c.FailImages(imaging.CodeSourceNotFound, w.Images...)
	c.Exec(`UPDATE images SET settled_at = now() - interval '1 hour'`)
	before := c.Product(w.ID)
	var id uuid.UUID
	c.Scan(&id, `SELECT id FROM dead_letters WHERE host = 'c.example'`)
	if err := c.DeadLetters.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	testenv.WantErr(t, c.DeadLetters.Delete(t.Context(), id), product.ErrNotFound)

	for name, test := range map[string]struct {
		filter deadletter.Filter
		all    bool
	}{
		"nothing said":        {deadletter.Filter{}, false},
		"a limit":             {deadletter.Filter{Limit: 1}, false},
		"both":                {deadletter.Filter{Host: new("b.example")}, true},
		"a host that is none": {deadletter.Filter{Host: new(""), Limit: 5}, true},
	} {
		_, err := c.DeadLetters.DeleteMatching(t.Context(), test.filter, test.all)
		t.Log(name)
		testenv.WantFields(t, err, "all")
	}
	if n := c.Count("dead_letters"); n != 3 {
		t.Fatalf("%d dead letters are left", n)
	}
	n, err := c.DeadLetters.DeleteMatching(t.Context(), deadletter.Filter{Fingerprint: new("source_not_found|fetch|a.example")}, false)
	if err != nil || n != 2 || c.Count("dead_letters WHERE host = 'b.example'") != 1 {
		t.Errorf("%d deleted, %v", n, err)
	}
	if n, err := c.DeadLetters.DeleteMatching(t.Context(), deadletter.Filter{}, true); err != nil || n != 1 {
		t.Errorf("%d deleted, %v", n, err)
	}

	// The images stay failed, and nobody files them again.
	c.Reconcile(testenv.EmptyQueue)
	if n := c.Count("dead_letters"); n != 0 {
		t.Errorf("%d were filed again", n)
	}
	if diff := cmp.Diff(before, c.Product(w.ID)); diff != "" {
		t.Errorf("the product has changed:\n%s", diff)
	}
	_, err = c.Jobs.Claim(t.Context(), testenv.JobOf(w.Images[0]), "w", testenv.Lease)
	testenv.WantErr(t, err, imaging.ErrNothingToDo)
}

func TestDeleteManyDeadLetters(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.Exec(`INSERT INTO dead_letters (id, payload, payload_bytes, payload_sha256, reason, code, stage, host, detail, fingerprint)
		SELECT gen_random_uuid(), '', 0, n, 'rejected', 'unreadable', '', '', '', 'unreadable||' FROM generate_series(1, 10001) AS n`)
	n, err := c.DeadLetters.DeleteMatching(t.Context(), deadletter.Filter{Code: new("unreadable")}, false)
	if err != nil || n != 10001 || c.Count("dead_letters") != 0 {
		t.Errorf("%d deleted, %v", n, err)
	}
}
