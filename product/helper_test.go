package product_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/uuid"

	"vitrine/cache"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// catalogue is a service on servers of its own: a schema and a key prefix.
type catalogue struct {
	*replica
	t     *testing.T
	dsn   string
	db    *sql.DB // past the store
	cache *cache.Cache
	user  int64
}

// replica is the services of one process.
type replica struct {
	*product.Service
	store    *product.Store
	outbox   *product.Outbox
	events   *product.EventLog
	accounts *product.Accounts
	jobs     *product.Jobs
	letters  *product.DeadLetters
}

// newReplica returns the services over a database and a cache.
func newReplica(store *product.Store, cache product.Cache) *replica {
	r := &replica{store: store, outbox: product.NewOutbox(store), events: product.NewEventLog(store)}
	r.Service = product.NewService(store, r.outbox, r.events, cache, objectURL, testenv.Quiet())
	r.accounts = product.NewAccounts(store, r.outbox, cache, testenv.Quiet())
	r.jobs = product.NewJobs(store, r.Service, r.outbox.Free)
	r.letters = product.NewDeadLetters(store, r.Service, testenv.Quiet())
	return r
}

// Create stores a product for the administrator.
func (r *replica) Create(ctx context.Context, n product.NewProduct) (product.Snapshot, error) {
	created, _, err := r.Service.Create(ctx, product.Everything(), n, product.Idempotency{})
	return created, err
}

// CreateUser stores a user.
func (r *replica) CreateUser(ctx context.Context, n product.NewUser) (product.User, error) {
	u, _, err := r.accounts.CreateUserOnce(ctx, n, product.Idempotency{})
	return u, err
}

func newCatalogue(t *testing.T) *catalogue {
	t.Helper()
	dsn := producttest.DSN(t)
	return openCatalogue(t, dsn, producttest.Open(t, dsn), testenv.RedisURL(t))
}

// openCatalogue makes a catalogue whose servers may be reached through proxies.
// dsn is the direct way.
func openCatalogue(t *testing.T, dsn string, store *product.Store, redis string) *catalogue {
	t.Helper()
	c := &catalogue{t: t, dsn: dsn, db: openDB(t, dsn)}
	c.cache = openCache(t, redis, uuid.NewString()+":", product.NewOutbox(store).PendingInvalidations)
	c.replica = newReplica(store, c.cache)
	c.scan(&c.user, `INSERT INTO users (name, email) VALUES ('Ada', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return c
}

func openCache(t *testing.T, url, prefix string, settled func(context.Context) (bool, error)) *cache.Cache {
	t.Helper()
	// A longer timeout than in production, for a busy machine; a write may meet it twice and has three seconds. Behind a
	// proxy, which may cut it off, tests wait for it to pass.
	timeout := 500 * time.Millisecond
	if url == testenv.RedisURL(t) {
		timeout = 1400 * time.Millisecond
	}
	return openCacheWith(t, cache.Config{URL: url, Prefix: prefix, Probe: 100 * time.Millisecond, Timeout: timeout}, settled)
}

func openCacheWith(t *testing.T, cfg cache.Config, pending func(context.Context) (bool, error)) *cache.Cache {
	t.Helper()
	cfg.Settled = func(ctx context.Context) (bool, error) {
		waiting, err := pending(ctx)
		return !waiting, err
	}
	c, err := cache.New(cfg, testenv.Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	testenv.Run(t, c.Run)
	testenv.Eventually(t, "the cache is trusted (is Redis up? `make up` starts it)", c.Trusted)
	return c
}

func openDB(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(3)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// unknownID is an id that no user or product has.
const unknownID = 1 << 40

// cacheKey returns what the cache has a product under.
func (c *catalogue) cacheKey(id int64) string {
	c.t.Helper()
	var installation string
	c.scan(&installation, `SELECT id FROM installation`)
	return fmt.Sprintf("product:v1:%s:%d", installation, id)
}

// objectKey returns what the objects of a product lie under.
func (c *catalogue) objectKey(id int64) (key uuid.UUID) {
	c.t.Helper()
	c.scan(&key, `SELECT object_key FROM products WHERE id = $1`, id)
	return key
}

func objectURL(key string) string { return "https://cdn.example/" + key }

// query reads one row of a schema without a catalogue.
func query(t *testing.T, dsn string, dest any, q string, args ...any) {
	t.Helper()
	if err := openDB(t, dsn).QueryRowContext(t.Context(), q, args...).Scan(dest); err != nil {
		t.Fatal(err)
	}
}

func (c *catalogue) exec(q string, args ...any) {
	c.t.Helper()
	if _, err := c.db.ExecContext(c.t.Context(), q, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *catalogue) scan(dest any, q string, args ...any) {
	c.t.Helper()
	if err := c.db.QueryRowContext(c.t.Context(), q, args...).Scan(dest); err != nil {
		c.t.Fatal(err)
	}
}

func (c *catalogue) count(q string, args ...any) int {
	c.t.Helper()
	var n int
	c.scan(&n, "SELECT count(*) FROM "+q, args...)
	return n
}

// wire is what the tests read of a product's JSON.
type wire struct {
	ID          int64       `json:"id"`
	Name        string      `json:"product_name"`
	Sources     []string    `json:"product_images"`
	Compressed  []string    `json:"compressed_product_images"`
	Price       json.Number `json:"product_price"`
	Images      []wireImage `json:"images"`
	ImageStatus string      `json:"image_status"`
	Version     int64       `json:"version"`
}

type wireImage struct {
	ID       uuid.UUID `json:"id"`
	Position int       `json:"position"`
	Source   string    `json:"source"`
	Alt      *string   `json:"alt"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	URL      *string   `json:"url"`
	Error    *struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		Retryable bool   `json:"retryable"`
	} `json:"error"`
}

func decode(t *testing.T, data []byte) wire {
	t.Helper()
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return w
}

func price(t *testing.T, s string) product.Price {
	t.Helper()
	p, err := product.ParsePrice(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create stores a product with images.
func (c *catalogue) create(sources ...string) wire {
	c.t.Helper()
	s, err := c.Create(c.t.Context(), product.NewProduct{
		UserID: c.user, Name: "Lamp", Description: "bright", Price: price(c.t, "12.50"), Images: sources,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return decode(c.t, s.Data)
}

// get reads a product.
func (c *catalogue) get(id int64) wire {
	c.t.Helper()
	s, err := c.Get(c.t.Context(), product.Everything(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	w := decode(c.t, s.Data)
	if w.ID != id || w.Version != s.Version || s.Owner != c.user {
		c.t.Fatalf("snapshot %d %d %d of %s", s.ID, s.Owner, s.Version, s.Data)
	}
	return w
}

func job(image wireImage) imaging.Job {
	return imaging.Job{ImageID: image.ID, Generation: 1, RequestID: "r-job"}
}

const lease = 20 * time.Second

// claim takes an image for work.
func (c *catalogue) claim(image wireImage, owner string) imaging.Claim {
	c.t.Helper()
	claim, err := c.jobs.Claim(c.t.Context(), job(image), owner, lease)
	if err != nil {
		c.t.Fatal(err)
	}
	return claim
}

func digest(n int) string { return fmt.Sprintf("%064x", n) }

// ready is the outcome of a good try.
func ready(claim imaging.Claim, sha256 string) imaging.Outcome {
	prefix := "products/" + claim.ObjectKey.String() + "/" + sha256 + "/"
	return imaging.Outcome{
		Stage: imaging.StageStore, Started: time.Now(), Duration: 1500 * time.Millisecond,
		Result: &imaging.Result{
			SourceSHA256: sha256, SourceBytes: 5000, SourceFormat: "png", Width: 2000, Height: 1000,
			Placeholder: "1QcSHQRnh493V4dIh4eXh1h4kJUI", AverageColor: "#12ab9f", Animated: true,
			Note: "the colours may look different",
			Variants: []imaging.Variant{
				{Name: "main", Key: prefix + "main.jpg", Width: 1600, Height: 800, Bytes: 900, Format: "jpeg"},
				{Name: "small", Key: prefix + "small.jpg", Width: 200, Height: 100, Bytes: 90, Format: "jpeg"},
			},
		},
	}
}

// failure is the outcome of a bad try.
func failure(code imaging.Code) imaging.Outcome {
	return imaging.Outcome{
		Stage: imaging.StageFetch, Started: time.Now(), Duration: time.Second,
		Err: &imaging.Error{Code: code, Stage: imaging.StageFetch, Detail: "the source answered 404"},
	}
}

func (c *catalogue) settle(claim imaging.Claim, o imaging.Outcome) {
	c.t.Helper()
	if err := c.jobs.Settle(c.t.Context(), claim, o); err != nil {
		c.t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// wantFields checks that exactly these fields were found bad, and gives them.
func wantFields(t *testing.T, err error, fields ...string) []product.FieldError {
	t.Helper()
	var v *product.ValidationError
	if !errors.As(err, &v) {
		t.Fatalf("error %v, want a validation error", err)
	}
	var got []string
	for _, f := range v.Fields {
		if f.Code == "" || f.Detail == "" {
			t.Errorf("%s has no code or detail", f.Field)
		}
		got = append(got, f.Field)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Fatalf("bad fields %v, want %v", got, fields)
	}
	return v.Fields
}
