package catalogue_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/maintenance"
	"vitrine/product/postgres"
)

func patchImage(c *testenv.Environment, id int64, image uuid.UUID, p product.ImagePatch) testenv.Image {
	c.T.Helper()
	s, err := c.PatchImage(c.T.Context(), product.Everything(), id, image, p, product.Precondition{})
	if err != nil {
		c.T.Fatal(err)
	}
	return c.CheckImage(id, s)
}

// places checks the order of the product's images, and that it has no gaps.
func places(c *testenv.Environment, id int64, want ...uuid.UUID) {
	c.T.Helper()
	w := c.Product(id)
	for i, image := range w.Images {
		if image.Position != i || w.Sources[i] != image.Source {
			c.T.Errorf("image %d of %q is %+v", i, w.Sources, image)
		}
	}
	if diff := cmp.Diff(want, testenv.ImageIDs(w.Images)); diff != "" {
		c.T.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestAddImages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	a := c.AddImage(w.ID, product.NewImage{Source: testenv.Source})
	if a.Alt != nil || a.Status != "pending" {
		t.Errorf("%+v", a)
	}
	b := c.AddImage(w.ID, product.NewImage{Source: testenv.Source + "?b", Alt: new("")})
	first := c.AddImage(w.ID, product.NewImage{Source: testenv.Source + "?first", Alt: new("A lamp\non a <table>"), Position: new(0)})
	middle := c.AddImage(w.ID, product.NewImage{Source: testenv.Source, Position: new(2)})
	last := c.AddImage(w.ID, product.NewImage{Source: testenv.Source, Position: new(4)})
	places(c, w.ID, first.ID, a.ID, middle.ID, b.ID, last.ID)
	if *b.Alt != "" || *first.Alt != "A lamp\non a <table>" {
		t.Errorf("%q, %q", *b.Alt, *first.Alt)
	}
	for _, image := range []testenv.Image{a, b, first, middle, last} {
		if n := c.Count("outbox WHERE kind = 'image_job' AND subject = $1", image.ID); n != 1 {
			t.Errorf("%d jobs", n)
		}
	}
	add := func(n product.NewImage) error {
		_, _, err := c.AddImageOnce(t.Context(), product.Everything(), w.ID, n, product.Precondition{}, postgres.Idempotency{})
		return err
	}
	testenv.WantFields(t, add(product.NewImage{Source: testenv.Source, Position: new(6)}), "position")
	testenv.WantFields(t, add(product.NewImage{Source: "ftp://x", Alt: new(strings.Repeat("ä", 501)), Position: new(-1)}), "source", "alt", "position")
	if v := c.Product(w.ID).Version; v != 6 {
		t.Errorf("version %d", v)
	}
	for i := range 15 {
		c.AddImage(w.ID, product.NewImage{Source: fmt.Sprint(testenv.Source, i), Alt: new(strings.Repeat("ä", 500)), Position: new(i)})
	}
	testenv.WantErr(t, add(product.NewImage{Source: testenv.Source}), product.ErrTooManyImages)
}

func TestMoveImages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source+"?b", testenv.Source+"?c", testenv.Source+"?d")
	i := testenv.ImageIDs(w.Images)
	claim := c.Claim(w.Images[3], "w")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	c.Exec(`DELETE FROM outbox`)
	move := func(image uuid.UUID, to int, want ...uuid.UUID) {
		t.Helper()
		patchImage(c, w.ID, image, product.ImagePatch{Position: &to})
		places(c, w.ID, want...)
	}
	move(i[3], 0, i[3], i[0], i[1], i[2])
	if got := c.Product(w.ID); got.Images[0].Status != "ready" || got.Images[0].Attempts != 1 || len(got.Compressed) != 1 {
		t.Errorf("the work is gone: %+v", got)
	}
	move(i[3], 2, i[0], i[1], i[3], i[2])
	move(i[0], 3, i[1], i[3], i[2], i[0])
	version := c.Product(w.ID).Version
	move(i[0], 3, i[1], i[3], i[2], i[0])
	if v := c.Product(w.ID).Version; v != version {
		t.Errorf("a move to the same place made version %d of %d", v, version)
	}
	_, err := c.PatchImage(t.Context(), product.Everything(), w.ID, i[0], product.ImagePatch{Position: new(4)}, product.Precondition{})
	testenv.WantFields(t, err, "position")
	if n := c.Count("outbox"); n != 0 {
		t.Errorf("%d outbox rows for moves", n)
	}
}

// TestAltStaysWithItsImage follows an alt text through everything that happens to an
// image.
func TestAltStaysWithItsImage(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source+"?b")
	image := w.Images[1]
	patchImage(c, w.ID, image.ID, product.ImagePatch{Alt: new("A lamp")})
	where := 1
	check := func(after string) {
		t.Helper()
		if got := c.Product(w.ID).Images[where]; got.ID != image.ID || got.Alt == nil || *got.Alt != "A lamp" {
			t.Errorf("after %s: %+v", after, got)
		}
	}
	check("a patch")
	claim := c.Claim(image, "w")
	check("a claim")
	outcome := testenv.FailedOutcome(imaging.CodeConnectFailed)
	outcome.Retry = true
	c.Settle(claim, outcome)
	check("a refused edit")
	claim = c.Claim(image, "w")
	c.Settle(claim, testenv.FailedOutcome(imaging.CodeSourceNotFound))
	check("the failure")
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, image.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	check("a retry")
	patchImage(c, w.ID, image.ID, product.ImagePatch{Position: new(0)})
	where = 0
	check("a move")
	c.SetImages(w.ID, testenv.Source, testenv.Source+"?c", testenv.Source+"?b")
	where = 2
	check("another list of sources")
	images := []string{testenv.Source + "?b"}
	if _, err := c.Replace(t.Context(), product.Everything(), w.ID, product.NewProduct{Name: "Lamp", Images: images}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	where = 0
	check("a replacement")
	version := c.Product(w.ID).Version
	for _, p := range []product.ImagePatch{{}, {Alt: new("A lamp")}} {
		if patchImage(c, w.ID, image.ID, p); c.Product(w.ID).Version != version {
			t.Errorf("%+v made a version", p)
		}
	}
	if got := patchImage(c, w.ID, image.ID, product.ImagePatch{NoAlt: true}); got.Alt != nil {
		t.Errorf("%q", *got.Alt)
	}
}

func TestDeleteImage(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w := c.NewProduct(testenv.Source, testenv.Source+"?b", testenv.Source+"?same")
	i := testenv.ImageIDs(w.Images)
	for n, image := range w.Images {
		claim := c.Claim(image, "w")
		outcome := testenv.ReadyOutcome(claim, testenv.Digest(n%2)) // the third has the bytes of the first
		c.Settle(claim, outcome)
		for _, v := range outcome.Result.Variants {
			b.PutKeys(v.Key)
		}
	}
	if keys := b.Keys(); len(keys) != 4 {
		t.Errorf("two of three pictures are different: %q", keys)
	}
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, b, nil, testenv.Quiet()).Run)
	remove := func(image uuid.UUID) {
		t.Helper()
		s, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, image, product.Precondition{})
		if err != nil || s.Version != c.Product(w.ID).Version {
			t.Fatal(s.Version, err)
		}
		testenv.Eventually(t, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
	}
	remove(i[0])
	places(c, w.ID, i[1], i[2])
	if keys := b.Keys(); len(keys) != 4 {
		t.Errorf("objects that another image has are gone, left are %q", keys)
	}
	remove(i[2])
	if keys := b.Keys(); len(keys) != 2 || !strings.Contains(keys[0], testenv.Digest(1)) {
		t.Errorf("left are %q", keys)
	}
	remove(i[1])
	if keys, got := b.Keys(), c.Product(w.ID); len(keys) != 0 || got.ImageStatus != "none" || got.Compressed != nil {
		t.Errorf("left are %q, %+v", keys, got)
	}
	_, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, i[1], product.Precondition{})
	testenv.WantErr(t, err, product.ErrNotFound)
}

// TestImagesOfOthersAreNotThere asks for each image with the wrong product, and as
// somebody else.
func TestImagesOfOthersAreNotThere(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w, other := c.NewProduct(testenv.Source), c.NewProduct(testenv.Source)
	for name, at := range map[string]struct {
		scope       product.Scope
		id          int64
		image       uuid.UUID
		addIsDenied bool
	}{
		"another product's": {product.Everything(), w.ID, other.Images[0].ID, false},
		"none":              {product.OwnedBy(c.User), w.ID, uuid.New(), false},
		"another user's":    {product.OwnedBy(testenv.UnknownID), w.ID, w.Images[0].ID, true},
		"no product":        {product.Everything(), testenv.UnknownID, w.Images[0].ID, true},
	} {
		_, err := c.Image(t.Context(), at.scope, at.id, at.image, 0)
		errs := map[string]error{"get": err}
		_, errs["patch"] = c.PatchImage(t.Context(), at.scope, at.id, at.image, product.ImagePatch{Alt: new("x")}, product.Precondition{Version: 99})
		_, errs["delete"] = c.DeleteImage(t.Context(), at.scope, at.id, at.image, product.Precondition{Version: 99})
		if at.addIsDenied {
			_, _, errs["add"] = c.AddImageOnce(t.Context(), at.scope, at.id, product.NewImage{Source: testenv.Source}, product.Precondition{}, postgres.Idempotency{})
		}
		for method, err := range errs {
			t.Log(name, method)
			testenv.WantErr(t, err, product.ErrNotFound)
		}
	}
	if c.Product(w.ID).Version != 1 || c.Product(other.ID).Version != 1 {
		t.Error("something was changed")
	}
}

func TestAddImageOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	add := func(pre product.Precondition, request string) (product.ImageSnapshot, bool, error) {
		n := product.NewImage{Source: testenv.Source, Alt: new("<é>")}
		return c.AddImageOnce(t.Context(), product.Everything(), w.ID, n, pre, key("k", request))
	}
	first, replayed, err := add(product.Precondition{Version: 1}, "a")
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	patchImage(c, w.ID, first.ID, product.ImagePatch{Alt: new("changed")})
	check := func() {
		t.Helper()
		// The condition was met by the first request.
		again, replayed, err := add(product.Precondition{Version: 1}, "a")
		if err != nil || !replayed {
			t.Fatal(replayed, err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
		_, _, err = add(product.Precondition{}, "b")
		testenv.WantErr(t, err, product.ErrKeyReused)
	}
	check()
	if n := len(c.Product(w.ID).Images); n != 1 {
		t.Errorf("%d images", n)
	}
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	check()
}
