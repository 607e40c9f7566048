package testenv

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/cache"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// catalogue is a service on servers of its own: a schema and a key prefix.
type Environment struct {
	*Replica
	T     *testing.T
	DSN   string
	DB    *sql.DB // past the store
	Cache *cache.Cache
	User  int64
}

// replica is the services of one process.
type Replica struct {
	*catalogue.Service
	Store       *postgres.DB
	Outbox      *outbox.Store
	Events      *event.Log
	Accounts    *account.Service
	Jobs        *job.Store
	DeadLetters *deadletter.Service
}

// newReplica returns the services over a database and a cache.
func NewReplica(store *postgres.DB, cache catalogue.Cache) *Replica {
	r := &Replica{Store: store, Outbox: outbox.New(store), Events: event.NewLog(store)}
	r.Service = catalogue.New(store, r.Outbox, r.Events, cache, objectURL, Quiet())
	r.Accounts = account.New(store, r.Outbox, cache, Quiet())
	r.Jobs = job.New(store, r.Service, r.Outbox.Free)
	r.DeadLetters = deadletter.New(store, r.Service, Quiet())
	return r
}

// Create stores a product for the administrator.
func (r *Replica) Create(ctx context.Context, n product.NewProduct) (product.Snapshot, error) {
	created, _, err := r.Service.Create(ctx, product.Everything(), n, postgres.Idempotency{})
	return created, err
}

// CreateUser stores a user.
func (r *Replica) CreateUser(ctx context.Context, n account.NewUser) (account.User, error) {
	u, _, err := r.Accounts.CreateUser(ctx, n, postgres.Idempotency{})
	return u, err
}

func New(t *testing.T) *Environment {
	t.Helper()
	dsn := DSN(t)
	return NewOn(t, dsn, Open(t, dsn), RedisURL(t))
}

// openCatalogue makes a catalogue whose servers may be reached through proxies.
// dsn is the direct way.
func NewOn(t *testing.T, dsn string, store *postgres.DB, redis string) *Environment {
	t.Helper()
	c := &Environment{T: t, DSN: dsn, DB: OpenDB(t, dsn)}
	c.Cache = OpenCache(t, redis, uuid.NewString()+":", outbox.New(store).PendingInvalidations)
	c.Replica = NewReplica(store, c.Cache)
	c.Scan(&c.User, `INSERT INTO users (name, email) VALUES ('Ada', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return c
}

func OpenCache(t *testing.T, url, prefix string, settled func(context.Context) (bool, error)) *cache.Cache {
	t.Helper()
	// A longer timeout than in production, for a busy machine; a write may meet it twice and has three seconds. Behind a
	// proxy, which may cut it off, tests wait for it to pass.
	timeout := 500 * time.Millisecond
	if url == RedisURL(t) {
		timeout = 1400 * time.Millisecond
	}
	return OpenCacheWith(t, cache.Config{URL: url, Prefix: prefix, Probe: 100 * time.Millisecond, Timeout: timeout}, settled)
}

func OpenCacheWith(t *testing.T, cfg cache.Config, pending func(context.Context) (bool, error)) *cache.Cache {
	t.Helper()
	cfg.Settled = func(ctx context.Context) (bool, error) {
		waiting, err := pending(ctx)
		return !waiting, err
	}
	c, err := cache.New(cfg, Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	Run(t, c.Run)
	Eventually(t, "the cache is trusted (is Redis up? `make up` starts it)", c.Trusted)
	return c
}

func OpenDB(t *testing.T, dsn string) *sql.DB {
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
const UnknownID = 1 << 40

// cacheKey returns what the cache has a product under.
func (c *Environment) CacheKey(id int64) string {
	c.T.Helper()
	var installation string
	c.Scan(&installation, `SELECT id FROM installation`)
	return fmt.Sprintf("product:v1:%s:%d", installation, id)
}

// objectKey returns what the objects of a product lie under.
func (c *Environment) ObjectKey(id int64) (key uuid.UUID) {
	c.T.Helper()
	c.Scan(&key, `SELECT object_key FROM products WHERE id = $1`, id)
	return key
}

func objectURL(key string) string { return "https://cdn.example/" + key }

// query reads one row of a schema without a catalogue.
func QueryRow(t *testing.T, dsn string, dest any, q string, args ...any) {
	t.Helper()
	if err := OpenDB(t, dsn).QueryRowContext(t.Context(), q, args...).Scan(dest); err != nil {
		t.Fatal(err)
	}
}

func (c *Environment) Exec(q string, args ...any) {
	c.T.Helper()
	if _, err := c.DB.ExecContext(c.T.Context(), q, args...); err != nil {
		c.T.Fatal(err)
	}
}

func (c *Environment) Scan(dest any, q string, args ...any) {
	c.T.Helper()
	if err := c.DB.QueryRowContext(c.T.Context(), q, args...).Scan(dest); err != nil {
		c.T.Fatal(err)
	}
}

func (c *Environment) Count(q string, args ...any) int {
	c.T.Helper()
	var n int
	c.Scan(&n, "SELECT count(*) FROM "+q, args...)
	return n
}

// wire is what the tests read of a product's JSON.
type Product struct {
	ID          int64       `json:"id"`
	Name        string      `json:"product_name"`
	Sources     []string    `json:"product_images"`
	Compressed  []string    `json:"compressed_product_images"`
	Price       json.Number `json:"product_price"`
	Images      []Image     `json:"images"`
	ImageStatus string      `json:"image_status"`
	Version     int64       `json:"version"`
}

type Image struct {
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

func Decode(t *testing.T, data []byte) Product {
	t.Helper()
	var w Product
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return w
}

func Price(t *testing.T, s string) product.Price {
	t.Helper()
	p, err := product.ParsePrice(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create stores a product with images.
func (c *Environment) NewProduct(sources ...string) Product {
	c.T.Helper()
	s, err := c.Create(c.T.Context(), product.NewProduct{
		UserID: c.User, Name: "Lamp", Description: "bright", Price: Price(c.T, "12.50"), Images: sources,
	})
	if err != nil {
		c.T.Fatal(err)
	}
	return Decode(c.T, s.Data)
}

// get reads a product.
func (c *Environment) Product(id int64) Product {
	c.T.Helper()
	s, err := c.Get(c.T.Context(), product.Everything(), id)
	if err != nil {
		c.T.Fatal(err)
	}
	w := Decode(c.T, s.Data)
	if w.ID != id || w.Version != s.Version || s.Owner != c.User {
		c.T.Fatalf("snapshot %d %d %d of %s", s.ID, s.Owner, s.Version, s.Data)
	}
	return w
}

func JobOf(image Image) imaging.Job {
	return imaging.Job{ImageID: image.ID, Generation: 1, RequestID: "r-job"}
}

const Lease = 20 * time.Second

// claim takes an image for work.
func (c *Environment) Claim(image Image, owner string) imaging.Claim {
	c.T.Helper()
	claim, err := c.Jobs.Claim(c.T.Context(), JobOf(image), owner, Lease)
	if err != nil {
		c.T.Fatal(err)
	}
	return claim
}

func Digest(n int) string { return fmt.Sprintf("%064x", n) }

// ready is the outcome of a good try.
func ReadyOutcome(claim imaging.Claim, sha256 string) imaging.Outcome {
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
func FailedOutcome(code imaging.Code) imaging.Outcome {
	return imaging.Outcome{
		Stage: imaging.StageFetch, Started: time.Now(), Duration: time.Second,
		Err: &imaging.Error{Code: code, Stage: imaging.StageFetch, Detail: "the source answered 404"},
	}
}

func (c *Environment) Settle(claim imaging.Claim, o imaging.Outcome) {
	c.T.Helper()
	if err := c.Jobs.Settle(c.T.Context(), claim, o); err != nil {
		c.T.Fatal(err)
	}
}

func WantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// wantFields checks that exactly these fields were found bad, and gives them.
func WantFields(t *testing.T, err error, fields ...string) []product.FieldError {
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
