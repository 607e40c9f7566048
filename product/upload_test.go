package product_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
)

const gif = "GIF89a: what follows is looked at later"

// receive uploads a picture for a product.
func (c *catalogue) receive(b bucket, id int64) (source string) {
	c.t.Helper()
	source, err := product.NewUploads(c.store, b, 1000).Receive(c.t.Context(), product.Everything(), id, strings.NewReader(gif))
	if err != nil {
		c.t.Fatal(err)
	}
	return source
}

func TestReceive(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	w := c.create()
	uploads := product.NewUploads(c.store, b, 1000)
	receive := func(scope product.Scope, id int64, body io.Reader) error {
		_, err := uploads.Receive(t.Context(), scope, id, body)
		return err
	}
	picture := func(size int) string { return gif + strings.Repeat("x", size-len(gif)) }
	for _, body := range []string{gif, picture(511), picture(512), picture(513), picture(1000)} {
		source, err := uploads.Receive(t.Context(), product.OwnedBy(c.user), w.ID, iotest.OneByteReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		content, size, err := b.Open(t.Context(), strings.TrimPrefix(source, imaging.UploadScheme))
		if err != nil || size != int64(len(body)) || !strings.HasPrefix(source, "upload:uploads/"+strconv.FormatInt(c.user, 10)+"/") {
			t.Fatalf("%s: %d bytes, %v", source, size, err)
		}
		_ = content.Close()
		c.addImage(w.ID, product.NewImage{Source: source})
	}
	stored := len(b.keys())
	broken := errors.New("the client is gone")
	wantErr(t, receive(product.Everything(), w.ID, strings.NewReader(picture(1001))), product.ErrUploadTooLarge)
	wantErr(t, receive(product.Everything(), w.ID, io.MultiReader(strings.NewReader(gif), iotest.ErrReader(broken))), broken)
	wantErr(t, receive(product.Everything(), w.ID, iotest.ErrReader(broken)), broken)
	for _, body := range []string{"", "<html>", strings.Repeat("x", 5000)} {
		err := receive(product.Everything(), w.ID, strings.NewReader(body))
		if f := wantFields(t, err, "file"); f[0].Code != "unsupported_format" {
			t.Errorf("%+v", f)
		}
	}
	untouched := iotest.ErrReader(errors.New("was read"))
	wantErr(t, receive(product.OwnedBy(unknownID), w.ID, untouched), product.ErrNotFound)
	wantErr(t, receive(product.Everything(), unknownID, untouched), product.ErrNotFound)
	if n := len(b.keys()); n != stored {
		t.Errorf("%d objects, want %d", n, stored)
	}
}

func TestOnlyOwnUploadsCanBeNamed(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	stranger := c.addUser()
	uploads := product.NewUploads(c.store, b, 1000)
	presign := func(scope product.Scope, user int64) product.Upload {
		t.Helper()
		u, err := uploads.Presign(t.Context(), scope, user)
		if err != nil {
			t.Fatal(err)
		}
		if u.Source != "upload:"+u.Key || u.URL == "" || u.Fields["key"] != u.Key || time.Until(u.Expires) > 15*time.Minute || time.Until(u.Expires) < 14*time.Minute {
			t.Errorf("%+v", u)
		}
		return u
	}
	own, named := presign(product.OwnedBy(c.user), 0), presign(product.Everything(), c.user)
	foreign := presign(product.OwnedBy(stranger), stranger)
	for field, at := range map[string]struct {
		scope product.Scope
		user  int64
	}{"user_id": {product.Everything(), 0}, "user_id ": {product.OwnedBy(c.user), stranger}, " user_id": {product.Everything(), unknownID}} {
		_, err := uploads.Presign(t.Context(), at.scope, at.user)
		wantFields(t, err, strings.TrimSpace(field))
	}

	w := c.create(own.Source, source, named.Source, own.Source)
	if w.Images[0].Source != own.Source || w.Sources[2] != named.Source {
		t.Errorf("%+v", w)
	}
	_, id, _ := strings.Cut(strings.TrimPrefix(own.Key, "uploads/"), "/")
	unknown := []string{
		foreign.Source, "upload:uploads/" + strconv.FormatInt(c.user, 10) + "/" + uuid.NewString(),
		"upload:uploads/" + strconv.FormatInt(stranger, 10) + "/" + id, "upload:" + strings.ToUpper(own.Key), "upload:", "upload:uploads/", own.Source + "/",
		"upload:products/" + c.objectKey(w.ID).String() + "/" + digest(1) + "/main.jpg", "upload:uploads/" + strconv.FormatInt(c.user, 10) + "/../" + id,
	}
	for _, name := range unknown {
		list := []string{source, own.Source, name}
		_, err := c.Create(t.Context(), product.NewProduct{UserID: c.user, Name: "Lamp", Images: list})
		_, patchErr := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &list}, product.Precondition{})
		_, replaceErr := c.Replace(t.Context(), product.Everything(), w.ID, product.NewProduct{Name: "Lamp", Images: list}, product.Precondition{})
		for _, err := range []error{err, patchErr, replaceErr} {
			if f := wantFields(t, err, "product_images/2"); f[0].Code != "unknown_upload" {
				t.Errorf("%q: %+v", name, f)
			}
		}
		_, _, err = c.AddImageOnce(t.Context(), product.Everything(), w.ID, product.NewImage{Source: name}, product.Precondition{}, product.Idempotency{})
		if f := wantFields(t, err, "source"); f[0].Code != "unknown_upload" {
			t.Errorf("%q: %+v", name, f)
		}
	}
	if got := c.get(w.ID); got.Version != 1 || c.count("products") != 1 {
		t.Errorf("a refused write left something: %+v", got)
	}
}

// TestUploadsAreKeptWhileTheyAreNamed looks through the whole life of an upload.
func TestUploadsAreKeptWhileTheyAreNamed(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	w := c.create()
	lost, named := c.receive(b, w.ID), c.receive(b, w.ID)
	image := c.addImage(w.ID, product.NewImage{Source: named})
	c.addImage(w.ID, product.NewImage{Source: named})
	testenv.Run(t, product.NewDeletionRelay(c.store, c.outbox, c.jobs, b, nil, testenv.Quiet()).Run)
	pass := func() []string {
		c.reconcile(busy)
		testenv.Eventually(t, "the deletion is done", func() bool { return c.count("outbox WHERE kind = 'delete_objects'") == 0 })
		return b.keys()
	}
	expire := func() { c.exec(`UPDATE uploads SET kept_until = now() - interval '1 second'`) }

	if keys := pass(); len(keys) != 2 {
		t.Errorf("gone within a day: %q", keys)
	}
	expire()
	if keys := pass(); len(keys) != 1 || named != "upload:"+keys[0] {
		t.Errorf("left are %q, want what %s names and not %s", keys, named, lost)
	}
	if n := c.count("uploads WHERE kept_until > now() + interval '23 hours'"); n != 1 {
		t.Error("what is named is looked at all the time")
	}
	list := []string{lost}
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &list}, product.Precondition{})
	wantFields(t, err, "product_images/0")

	if _, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, image.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	expire()
	if keys := pass(); len(keys) != 1 {
		t.Error("gone although another image names it")
	}
	expire()
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if keys := pass(); len(keys) != 1 {
		t.Error("gone as soon as its last image was")
	}
	expire()
	if keys := pass(); len(keys) != 0 || c.count("uploads") != 0 {
		t.Errorf("left are %q", keys)
	}
}

// TestPurgeHeedsALateName races purges with images that begin to name an upload:
// whoever is first, none names one that is gone.
func TestPurgeHeedsALateName(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create()
	for range 30 {
		id := uuid.New()
		name := "upload:uploads/" + strconv.FormatInt(c.user, 10) + "/" + id.String()
		c.exec(`INSERT INTO uploads (id, user_id, kept_until) VALUES ($1, $2, now() - interval '1 second')`, id, c.user)
		purged := make(chan error, 1)
		go func() {
			purged <- product.NewReconciler(c.store, product.Steps(busy), testenv.Quiet()).Pass(t.Context())
		}()
		added, _, err := c.AddImageOnce(t.Context(), product.Everything(), w.ID, product.NewImage{Source: name}, product.Precondition{}, product.Idempotency{})
		if err := testenv.Receive(t, "a value", purged); err != nil {
			t.Fatal(err)
		}
		if left := c.count("uploads WHERE id = $1", id); (left == 1) != (err == nil) {
			t.Fatalf("%d uploads after %v", left, err)
		}
		if err != nil {
			wantFields(t, err, "source")
			continue
		}
		if _, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, added.ID, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSweepDeletesUploadsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	c, b := newCatalogue(t), newBucket(t)
	w := c.create()
	kept, restored := c.receive(b, w.ID), c.receive(b, w.ID)
	c.addImage(w.ID, product.NewImage{Source: restored})
	c.exec(`DELETE FROM uploads WHERE 'upload:uploads/' || user_id || '/' || id = $1`, restored) // cannot be, and would be a loss
	odd := []string{"uploads/a", "uploads/" + uuid.NewString() + "/x", "uploads/" + uuid.NewString() + "/" + uuid.NewString() + "/x", "uploads/" + uuid.NewString() + "/" + uuid.NewString(), "uploads/0/" + uuid.NewString()}
	b.put(odd...)
	lost := []string{"uploads/" + strconv.FormatInt(c.user, 10) + "/" + uuid.NewString(), "uploads/" + strconv.Itoa(unknownID) + "/" + strings.TrimPrefix(kept, "upload:uploads/"+strconv.FormatInt(c.user, 10)+"/")}
	b.put(lost...)
	products := "products/" + uuid.NewString() + "/" + digest(1) + "/main.jpg"
	b.put(products)
	if c.sweep(b, product.SweepConfig{}); len(b.keys()) != 10 {
		t.Errorf("young objects were deleted, left are %q", b.keys())
	}
	c.sweep(b, product.SweepConfig{Age: anyAge, Page: 2})
	left := map[string]bool{}
	for _, key := range b.keys() {
		left[key] = true
	}
	for _, key := range append(odd, strings.TrimPrefix(kept, "upload:"), strings.TrimPrefix(restored, "upload:")) {
		if !left[key] {
			t.Errorf("%s is gone", key)
		}
		delete(left, key)
	}
	for key := range left {
		t.Errorf("%s is left", key)
	}
	b.put(lost[0], products)
	if pages := c.sweep(b, product.SweepConfig{Age: anyAge}); pages != 1 || len(b.keys()) != 7 {
		t.Errorf("%d pages, left are %q", pages, b.keys())
	}
}

func TestPresignWithoutKeys(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	_, err := product.NewUploads(c.store, newAnonymous(t), 1000).Presign(t.Context(), product.Everything(), c.user)
	wantErr(t, err, product.ErrObjectStore)
	w := c.create()
	_, err = product.NewUploads(c.store, newAnonymous(t), 1000).Receive(t.Context(), product.Everything(), w.ID, bytes.NewReader([]byte(gif)))
	wantErr(t, err, product.ErrObjectStore)
}
