package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/postgres"
)

func (c *Environment) AddProduct(name, amount string) int64 {
	c.T.Helper()
	s, err := c.Create(c.T.Context(), product.NewProduct{UserID: c.User, Name: name, Price: Price(c.T, amount)})
	if err != nil {
		c.T.Fatal(err)
	}
	return s.ID
}

func (c *Environment) AddImage(id int64, n product.NewImage) Image {
	c.T.Helper()
	s, _, err := c.AddImageOnce(c.T.Context(), product.Everything(), id, n, product.Precondition{}, postgres.Idempotency{})
	if err != nil {
		c.T.Fatal(err)
	}
	return c.CheckImage(id, s)
}

func (c *Environment) AddUser() (id int64) {
	c.T.Helper()
	c.Scan(&id, `INSERT INTO users (name, email) VALUES ('Eve', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return id
}

// claimAgain takes an image of the second generation for work.
func (c *Environment) ClaimSecondGeneration(image uuid.UUID) imaging.Claim {
	c.T.Helper()
	j := imaging.Job{ImageID: image, Generation: 2, RequestID: "r-again"}
	claim, err := c.Jobs.Claim(c.T.Context(), j, "w-again", Lease)
	if err != nil {
		c.T.Fatal(err)
	}
	return claim
}

func Encode(t *testing.T, j imaging.Job) []byte {
	t.Helper()
	body, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var ErrDown = errors.New("down")

// expire lets the lease of an image run out long ago.
func (c *Environment) ExpireLease(image Image) {
	c.T.Helper()
	c.Exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute' WHERE id = $1`, image.ID)
}

func (c *Environment) FileDeadLetter(body []byte, reason string) {
	c.T.Helper()
	if err := c.DeadLetters.File(c.T.Context(), body, reason); err != nil {
		c.T.Fatal(err)
	}
}

// focalWork is what is to be done round another focal point.
const DueFocal = "images WHERE 'focal' = ANY (array_append(reprocess, reprocessing))"

// follow runs what the event log needs: the sequencer, the tailer and the listener.
func (c *Environment) RunEventLog() {
	c.T.Helper()
	listener := postgres.NewListener(c.DSN, Quiet())
	Run(c.T, event.NewSequencer(c.Events, Quiet()).Run)
	Run(c.T, event.NewTailer(c.Events, listener.Wake(event.Channel, ""), Quiet()).Run)
	Run(c.T, listener.Run)
}

// ids are those of a page's products.
func (c *Environment) PageIDs(page product.Page) []int64 {
	c.T.Helper()
	ids := make([]int64, len(page.Items))
	for i, item := range page.Items {
		ids[i] = Decode(c.T, item).ID
	}
	return ids
}

// letDown makes images fail and files their dead letters.
func (c *Environment) FailImages(code imaging.Code, images ...Image) {
	c.T.Helper()
	for _, image := range images {
		c.Settle(c.Claim(image, "w"), FailedOutcome(code))
		c.FileDeadLetter(Encode(c.T, JobOf(image)), "rejected")
	}
}

func (c *Environment) ListNames(f product.Filter) ([]string, product.Page) {
	c.T.Helper()
	page, err := c.List(c.T.Context(), product.Everything(), f)
	if err != nil {
		c.T.Fatal(err)
	}
	names := []string{}
	for _, item := range page.Items {
		names = append(names, Decode(c.T, item).Name)
	}
	if page.HasMore != (page.Next != "") {
		c.T.Errorf("has more: %t, next %q", page.HasMore, page.Next)
	}
	return names, page
}

// patchFocal gives the image another focal point; nil is the centre.
func (c *Environment) SetFocal(w Product, p *product.Focal) {
	c.T.Helper()
	patch := product.ImagePatch{Focal: p, NoFocal: p == nil}
	if _, err := c.PatchImage(c.T.Context(), product.Everything(), w.ID, w.Images[0].ID, patch, product.Precondition{}); err != nil {
		c.T.Fatal(err)
	}
}

// proxied is a catalogue whose PostgreSQL is behind a proxy.
func NewBehindProxy(t *testing.T) (*Environment, *Proxy) {
	t.Helper()
	dsn := DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProxy(t, u.Host)
	u.Host = p.Addr
	return NewOn(t, dsn, Open(t, u.String()), RedisURL(t)), p
}

func (c *Environment) Reconcile(q job.Queue) {
	c.T.Helper()
	if err := maintenance.NewReconciler(c.Store, maintenance.Steps(q), Quiet()).Pass(c.T.Context()); err != nil {
		c.T.Fatal(err)
	}
}

func ErrOf[T any](_ T, err error) error { return err }

func (c *Environment) SetImages(id int64, sources ...string) Product {
	c.T.Helper()
	s, err := c.Patch(c.T.Context(), product.Everything(), id, product.Patch{Images: &sources}, product.Precondition{})
	if err != nil {
		c.T.Fatal(err)
	}
	w := Decode(c.T, s.Data)
	for i, image := range w.Images {
		if image.Position != i || image.Source != sources[i] || w.Sources[i] != sources[i] {
			c.T.Fatalf("%+v, want %v", w, sources)
		}
	}
	if len(w.Images) != len(sources) {
		c.T.Fatalf("%d images, want %d", len(w.Images), len(sources))
	}
	return w
}

// someTime stands for times that a test does not look at.
var SomeTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const Source = "https://a.example/1.png"

func RenameToTorch(s *Replica, id int64) func(context.Context) error {
	return func(ctx context.Context) error {
		name := "Torch"
		return ErrOf(s.Patch(ctx, product.Everything(), id, product.Patch{Name: &name}, product.Precondition{}))
	}
}

// twin is another process on the catalogue's servers.
func (c *Environment) AnotherReplica() *Environment {
	c.T.Helper()
	other := *c
	other.Replica = NewReplica(Open(c.T, c.DSN), c.Cache)
	return &other
}

func ImageIDs(images []Image) []uuid.UUID {
	list := make([]uuid.UUID, len(images))
	for i, image := range images {
		list[i] = image.ID
	}
	return list
}

// sameImage checks that the product shows what the image's own snapshot does.
func (c *Environment) CheckImage(id int64, s product.ImageSnapshot) Image {
	c.T.Helper()
	image, w := shown(c.T, s), c.Product(id)
	if diff := cmp.Diff(w.Images[image.Position], image); diff != "" || s.Version != w.Version {
		c.T.Fatalf("version %d in version %d (-product +image):\n%s", s.Version, w.Version, diff)
	}
	again, err := c.Image(c.T.Context(), product.Everything(), id, image.ID, s.Version)
	if err != nil || string(again.Data) != string(s.Data) || again.Version != s.Version {
		c.T.Fatalf("read %s in version %d, %v; was %s", again.Data, again.Version, err, s.Data)
	}
	return image
}

// shown reads an image's JSON.
func shown(t *testing.T, s product.ImageSnapshot) Image {
	t.Helper()
	var image Image
	if err := json.Unmarshal(s.Data, &image); err != nil || image.ID != s.ID {
		t.Fatalf("%v: %s of %s", err, s.Data, s.ID)
	}
	return image
}
