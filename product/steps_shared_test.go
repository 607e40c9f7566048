package product_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

func (c *catalogue) add(name, amount string) int64 {
	c.t.Helper()
	s, err := c.Create(c.t.Context(), product.NewProduct{UserID: c.user, Name: name, Price: price(c.t, amount)})
	if err != nil {
		c.t.Fatal(err)
	}
	return s.ID
}

func (c *catalogue) addImage(id int64, n product.NewImage) wireImage {
	c.t.Helper()
	s, _, err := c.AddImageOnce(c.t.Context(), product.Everything(), id, n, product.Precondition{}, product.Idempotency{})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.sameImage(id, s)
}

func (c *catalogue) addUser() (id int64) {
	c.t.Helper()
	c.scan(&id, `INSERT INTO users (name, email) VALUES ('Eve', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return id
}

// claimAgain takes an image of the second generation for work.
func (c *catalogue) claimAgain(image uuid.UUID) imaging.Claim {
	c.t.Helper()
	j := imaging.Job{ImageID: image, Generation: 2, RequestID: "r-again"}
	claim, err := c.jobs.Claim(c.t.Context(), j, "w-again", lease)
	if err != nil {
		c.t.Fatal(err)
	}
	return claim
}

func encode(t *testing.T, j imaging.Job) []byte {
	t.Helper()
	body, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var errDown = errors.New("down")

// expire lets the lease of an image run out long ago.
func (c *catalogue) expire(image wireImage) {
	c.t.Helper()
	c.exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE id = $1`, image.ID)
}

func (c *catalogue) file(body []byte, reason string) {
	c.t.Helper()
	if err := c.letters.File(c.t.Context(), body, reason); err != nil {
		c.t.Fatal(err)
	}
}

// focalWork is what is to be done round another focal point.
const focalWork = "images WHERE 'focal' = ANY (array_append(reprocess, reprocessing))"

// follow runs what the event log needs: the sequencer, the tailer and the listener.
func (c *catalogue) follow() {
	c.t.Helper()
	listener := product.NewListener(c.dsn, testenv.Quiet())
	testenv.Run(c.t, listener.Run)
	testenv.Run(c.t, product.NewSequencer(c.events, testenv.Quiet()).Run)
	testenv.Run(c.t, product.NewTailer(c.events, listener.Wake(product.EventChannel, ""), testenv.Quiet()).Run)
}

// ids are those of a page's products.
func (c *catalogue) ids(page product.Page) []int64 {
	c.t.Helper()
	ids := make([]int64, len(page.Items))
	for i, item := range page.Items {
		ids[i] = decode(c.t, item).ID
	}
	return ids
}

// letDown makes images fail and files their dead letters.
func (c *catalogue) letDown(code imaging.Code, images ...wireImage) {
	c.t.Helper()
	for _, image := range images {
		c.settle(c.claim(image, "w"), failure(code))
		c.file(encode(c.t, job(image)), "rejected")
	}
}

func (c *catalogue) list(f product.Filter) ([]string, product.Page) {
	c.t.Helper()
	page, err := c.List(c.t.Context(), product.Everything(), f)
	if err != nil {
		c.t.Fatal(err)
	}
	names := []string{}
	for _, item := range page.Items {
		names = append(names, decode(c.t, item).Name)
	}
	if page.HasMore != (page.Next != "") {
		c.t.Errorf("has more: %t, next %q", page.HasMore, page.Next)
	}
	return names, page
}

// patchFocal gives the image another focal point; nil is the centre.
func (c *catalogue) patchFocal(w wire, p *product.Focal) {
	c.t.Helper()
	patch := product.ImagePatch{Focal: p, NoFocal: p == nil}
	if _, err := c.PatchImage(c.t.Context(), product.Everything(), w.ID, w.Images[0].ID, patch, product.Precondition{}); err != nil {
		c.t.Fatal(err)
	}
}

// proxied is a catalogue whose PostgreSQL is behind a proxy.
func proxied(t *testing.T) (*catalogue, *testenv.Proxy) {
	t.Helper()
	dsn := producttest.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	return openCatalogue(t, dsn, producttest.Open(t, u.String()), testenv.RedisURL(t)), p
}

func (c *catalogue) reconcile(q product.Queue) {
	c.t.Helper()
	if err := product.NewReconciler(c.store, product.Steps(q), testenv.Quiet()).Pass(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func (c *catalogue) setImages(id int64, sources ...string) wire {
	c.t.Helper()
	s, err := c.Patch(c.t.Context(), product.Everything(), id, product.Patch{Images: &sources}, product.Precondition{})
	if err != nil {
		c.t.Fatal(err)
	}
	w := decode(c.t, s.Data)
	for i, image := range w.Images {
		if image.Position != i || image.Source != sources[i] || w.Sources[i] != sources[i] {
			c.t.Fatalf("%+v, want %v", w, sources)
		}
	}
	if len(w.Images) != len(sources) {
		c.t.Fatalf("%d images, want %d", len(w.Images), len(sources))
	}
	return w
}

// someTime stands for times that a test does not look at.
var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const source = "https://a.example/1.png"

func toTorch(s *replica, id int64) func(context.Context) error {
	return func(ctx context.Context) error {
		name := "Torch"
		return second(s.Patch(ctx, product.Everything(), id, product.Patch{Name: &name}, product.Precondition{}))
	}
}

// twin is another process on the catalogue's servers.
func (c *catalogue) twin() *catalogue {
	c.t.Helper()
	other := *c
	other.replica = newReplica(producttest.Open(c.t, c.dsn), c.cache)
	return &other
}

func ids(images []wireImage) []uuid.UUID {
	list := make([]uuid.UUID, len(images))
	for i, image := range images {
		list[i] = image.ID
	}
	return list
}

// sameImage checks that the product shows what the image's own snapshot does.
func (c *catalogue) sameImage(id int64, s product.ImageSnapshot) wireImage {
	c.t.Helper()
	image, w := shown(c.t, s), c.get(id)
	if diff := cmp.Diff(w.Images[image.Position], image); diff != "" || s.Version != w.Version {
		c.t.Fatalf("version %d in version %d (-product +image):\n%s", s.Version, w.Version, diff)
	}
	again, err := c.Image(c.t.Context(), product.Everything(), id, image.ID, s.Version)
	if err != nil || string(again.Data) != string(s.Data) || again.Version != s.Version {
		c.t.Fatalf("read %s in version %d, %v; was %s", again.Data, again.Version, err, s.Data)
	}
	return image
}

// shown reads an image's JSON.
func shown(t *testing.T, s product.ImageSnapshot) wireImage {
	t.Helper()
	var image wireImage
	if err := json.Unmarshal(s.Data, &image); err != nil || image.ID != s.ID {
		t.Fatalf("%v: %s of %s", err, s.Data, s.ID)
	}
	return image
}
