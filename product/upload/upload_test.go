package upload_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/maintenance"
	"vitrine/product/postgres"
	"vitrine/product/upload"
)

const gif = "GIF89a: the rest is checked later"

// receive uploads a file for a product.
func receive(c *testenv.Environment, b testenv.Bucket, id int64) (source string) {
	c.T.Helper()
	source, err := upload.New(c.Store, b, 1000).Receive(c.T.Context(), product.Everything(), id, strings.NewReader(gif))
	if err != nil {
		c.T.Fatal(err)
	}
	return source
}

func TestReceive(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w := c.NewProduct()
	uploads := upload.New(c.Store, b, 1000)
	receive := func(scope product.Scope, id int64, body io.Reader) error {
		_, err := uploads.Receive(t.Context(), scope, id, body)
		return err
	}
	picture := func(size int) string { return gif + strings.Repeat("x", size-len(gif)) }
	for _, body := range []string{gif, picture(511), picture(512), picture(513), picture(1000)} {
		source, err := uploads.Receive(t.Context(), product.OwnedBy(c.User), w.ID, iotest.OneByteReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		content, size, err := b.Open(t.Context(), strings.TrimPrefix(source, imaging.UploadScheme))
		if err != nil || size != int64(len(body)) || !strings.HasPrefix(source, "upload:uploads/"+strconv.FormatInt(c.User, 10)+"/") {
			t.Fatalf("%s: %d bytes, %v", source, size, err)
		}
		_ = content.Close()
		c.AddImage(w.ID, product.NewImage{Source: source})
	}
	stored := len(b.Keys())
	broken := errors.New("client disconnected")
	testenv.WantErr(t, receive(product.Everything(), w.ID, strings.NewReader(picture(1001))), upload.ErrTooLarge)
	testenv.WantErr(t, receive(product.Everything(), w.ID, io.MultiReader(strings.NewReader(gif), iotest.ErrReader(broken))), broken)
	testenv.WantErr(t, receive(product.Everything(), w.ID, iotest.ErrReader(broken)), broken)
	for _, body := range []string{"", "<html>", strings.Repeat("x", 5000)} {
		err := receive(product.Everything(), w.ID, strings.NewReader(body))
		if f := testenv.WantFields(t, err, "file"); f[0].Code != "unsupported_format" {
			t.Errorf("%+v", f)
		}
	}
	untouched := iotest.ErrReader(errors.New("body was read"))
	testenv.WantErr(t, receive(product.OwnedBy(testenv.UnknownID), w.ID, untouched), product.ErrNotFound)
	testenv.WantErr(t, receive(product.Everything(), testenv.UnknownID, untouched), product.ErrNotFound)
	if n := len(b.Keys()); n != stored {
		t.Errorf("%d objects after refused uploads, want %d", n, stored)
	}
}

func TestSourcesAcceptOnlyOwnUploads(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	stranger := c.AddUser()
	uploads := upload.New(c.Store, b, 1000)
	presign := func(scope product.Scope, user int64) upload.Form {
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
	own, named := presign(product.OwnedBy(c.User), 0), presign(product.Everything(), c.User)
	foreign := presign(product.OwnedBy(stranger), stranger)
	for field, at := range map[string]struct {
		scope product.Scope
		user  int64
	}{"user_id": {product.Everything(), 0}, "user_id ": {product.OwnedBy(c.User), stranger}, " user_id": {product.Everything(), testenv.UnknownID}} {
		_, err := uploads.Presign(t.Context(), at.scope, at.user)
		testenv.WantFields(t, err, strings.TrimSpace(field))
	}

	w := c.NewProduct(own.Source, testenv.Source, named.Source, own.Source)
	if w.Images[0].Source != own.Source || w.Sources[2] != named.Source {
		t.Errorf("%+v", w)
	}
	_, id, _ := strings.Cut(strings.TrimPrefix(own.Key, "uploads/"), "/")
	unknown := []string{
		foreign.Source, "upload:uploads/" + strconv.FormatInt(c.User, 10) + "/" + uuid.NewString(),
		"upload:uploads/" + strconv.FormatInt(stranger, 10) + "/" + id, "upload:" + strings.ToUpper(own.Key), "upload:", "upload:uploads/", own.Source + "/",
		"upload:products/" + c.ObjectKey(w.ID).String() + "/" + testenv.Digest(1) + "/main.jpg", "upload:uploads/" + strconv.FormatInt(c.User, 10) + "/../" + id,
	}
	for _, name := range unknown {
		list := []string{testenv.Source, own.Source, name}
		_, err := c.Create(t.Context(), product.NewProduct{UserID: c.User, Name: "Lamp", Images: list})
		_, patchErr := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &list}, product.Precondition{})
		_, replaceErr := c.Replace(t.Context(), product.Everything(), w.ID, product.NewProduct{Name: "Lamp", Images: list}, product.Precondition{})
		for _, err := range []error{err, patchErr, replaceErr} {
			if f := testenv.WantFields(t, err, "product_images/2"); f[0].Code != "unknown_upload" {
				t.Errorf("%q: %+v", name, f)
			}
		}
		_, _, err = c.AddImageOnce(t.Context(), product.Everything(), w.ID, product.NewImage{Source: name}, product.Precondition{}, postgres.Idempotency{})
		if f := testenv.WantFields(t, err, "source"); f[0].Code != "unknown_upload" {
			t.Errorf("%q: %+v", name, f)
		}
	}
	if got := c.Product(w.ID); got.Version != 1 || c.Count("products") != 1 {
		t.Errorf("a refused write changed something: %+v", got)
	}
}

// TestUploadsAreKeptWhileInUse follows uploads from their creation to their deletion.
func TestUploadsAreKeptWhileInUse(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w := c.NewProduct()
	lost, named := receive(c, b, w.ID), receive(c, b, w.ID)
	image := c.AddImage(w.ID, product.NewImage{Source: named})
	c.AddImage(w.ID, product.NewImage{Source: named})
	testenv.Run(t, maintenance.NewDeletionRelay(c.Store, c.Outbox, c.Jobs, b, nil, testenv.Quiet()).Run)
	pass := func() []string {
		c.Reconcile(testenv.BusyQueue)
		testenv.Eventually(t, "the deletion is done", func() bool { return c.Count("outbox WHERE kind = 'delete_objects'") == 0 })
		return b.Keys()
	}
	expire := func() { c.Exec(`UPDATE uploads SET kept_until = now() - interval '1 second'`) }

	if keys := pass(); len(keys) != 2 {
		t.Errorf("objects within a day: %q, want 2", keys)
	}
	expire()
	if keys := pass(); len(keys) != 1 || named != "upload:"+keys[0] {
		t.Errorf("objects: %q, want that of %s and not that of %s", keys, named, lost)
	}
	if n := c.Count("uploads WHERE kept_until > now() + interval '23 hours'"); n != 1 {
		t.Error("the upload in use is not kept for another day")
	}
	list := []string{lost}
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &list}, product.Precondition{})
	testenv.WantFields(t, err, "product_images/0")

	if _, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, image.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	expire()
	if keys := pass(); len(keys) != 1 {
		t.Error("deleted although another image names it")
	}
	expire()
	if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if keys := pass(); len(keys) != 1 {
		t.Error("deleted together with its last image")
	}
	expire()
	if keys := pass(); len(keys) != 0 || c.Count("uploads") != 0 {
		t.Errorf("objects: %q, want none", keys)
	}
}

// TestPurgeRacesWithNewImages runs a purge together with the creation of an image that names
// an upload. In any order, no image may name a deleted upload.
func TestPurgeRacesWithNewImages(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	for range 30 {
		id := uuid.New()
		name := "upload:uploads/" + strconv.FormatInt(c.User, 10) + "/" + id.String()
		c.Exec(`INSERT INTO uploads (id, user_id, kept_until) VALUES ($1, $2, now() - interval '1 second')`, id, c.User)
		purged := make(chan error, 1)
		go func() {
			purged <- maintenance.NewReconciler(c.Store, maintenance.Steps(testenv.BusyQueue), testenv.Quiet()).Pass(t.Context())
		}()
		added, _, err := c.AddImageOnce(t.Context(), product.Everything(), w.ID, product.NewImage{Source: name}, product.Precondition{}, postgres.Idempotency{})
		if err := testenv.Receive(t, "the end of the purge", purged); err != nil {
			t.Fatal(err)
		}
		if left := c.Count("uploads WHERE id = $1", id); (left == 1) != (err == nil) {
			t.Fatalf("%d uploads after adding the image returned %v", left, err)
		}
		if err != nil {
			testenv.WantFields(t, err, "source")
			continue
		}
		if _, err := c.DeleteImage(t.Context(), product.Everything(), w.ID, added.ID, product.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSweepDeletesUnknownUploads(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	w := c.NewProduct()
	kept, restored := receive(c, b, w.ID), receive(c, b, w.ID)
	c.AddImage(w.ID, product.NewImage{Source: restored})
	c.Exec(`DELETE FROM uploads WHERE 'upload:uploads/' || user_id || '/' || id = $1`, restored) // as after a restored backup; deleting the object would lose the image
	odd := []string{"uploads/a", "uploads/" + uuid.NewString() + "/x", "uploads/" + uuid.NewString() + "/" + uuid.NewString() + "/x", "uploads/" + uuid.NewString() + "/" + uuid.NewString(), "uploads/0/" + uuid.NewString()}
	b.PutKeys(odd...)
	lost := []string{"uploads/" + strconv.FormatInt(c.User, 10) + "/" + uuid.NewString(), "uploads/" + strconv.Itoa(testenv.UnknownID) + "/" + strings.TrimPrefix(kept, "upload:uploads/"+strconv.FormatInt(c.User, 10)+"/")}
	b.PutKeys(lost...)
	products := "products/" + uuid.NewString() + "/" + testenv.Digest(1) + "/main.jpg"
	b.PutKeys(products)
	if c.Sweep(b, maintenance.SweepConfig{}); len(b.Keys()) != 10 {
		t.Errorf("young objects were deleted; left: %q", b.Keys())
	}
	c.Sweep(b, maintenance.SweepConfig{Age: testenv.AnyAge, Page: 2})
	left := map[string]bool{}
	for _, key := range b.Keys() {
		left[key] = true
	}
	for _, key := range append(odd, strings.TrimPrefix(kept, "upload:"), strings.TrimPrefix(restored, "upload:")) {
		if !left[key] {
			t.Errorf("%s was deleted", key)
		}
		delete(left, key)
	}
	for key := range left {
		t.Errorf("%s was not deleted", key)
	}
	b.PutKeys(lost[0], products)
	if pages := c.Sweep(b, maintenance.SweepConfig{Age: testenv.AnyAge}); pages != 1 || len(b.Keys()) != 7 {
		t.Errorf("%d pages; left: %q", pages, b.Keys())
	}
}

func TestPresignWithoutKeys(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	_, err := upload.New(c.Store, testenv.AnonymousStore(t), 1000).Presign(t.Context(), product.Everything(), c.User)
	testenv.WantErr(t, err, upload.ErrObjectStore)
	w := c.NewProduct()
	_, err = upload.New(c.Store, testenv.AnonymousStore(t), 1000).Receive(t.Context(), product.Everything(), w.ID, bytes.NewReader([]byte(gif)))
	testenv.WantErr(t, err, upload.ErrObjectStore)
}

// TestProductsExchangeUploads repeatedly has two products take each other's upload at the
// same time. They must not deadlock.
func TestProductsExchangeUploads(t *testing.T) {
	t.Parallel()
	c, b := testenv.New(t), testenv.NewBucket(t)
	one, other := c.NewProduct(), c.NewProduct()
	uploads := [2]string{receive(c, b, one.ID), receive(c, b, other.ID)}
	for round := range 200 {
		var both errgroup.Group
		for i, w := range []testenv.Product{one, other} {
			images := []string{uploads[(round+i)%2]}
			both.Go(func() error {
				_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &images}, product.Precondition{})
				return err
			})
		}
		if err := both.Wait(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// TestRemovedUploadsAreKept removes or replaces the image of an old upload. The upload is
// kept for another day, so that it can be named again.
func TestRemovedUploadsAreKept(t *testing.T) {
	t.Parallel()
	for name, images := range map[string][]string{"removed": {}, "replaced": {testenv.Source}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, b := testenv.New(t), testenv.NewBucket(t)
			w := c.NewProduct()
			c.SetImages(w.ID, receive(c, b, w.ID))
			c.Exec(`UPDATE uploads SET kept_until = now() - interval '1 hour'`)
			c.SetImages(w.ID, images...)
			if n := c.Count(`uploads WHERE kept_until > now() + interval '23 hours'`); n != 1 {
				t.Error("the upload is not kept for another day")
			}
		})
	}
}
