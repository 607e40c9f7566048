package catalogue_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/postgres"
)

// calls are all operations that need PostgreSQL.
func calls(c *testenv.Environment, id, uncached int64, image testenv.Image, claim imaging.Claim) map[string]func(context.Context) error {
	name := uuid.NewString()
	return map[string]func(context.Context) error{
		"check": c.Store.Check,
		"create": func(ctx context.Context) error {
			return testenv.ErrOf(c.Create(ctx, product.NewProduct{UserID: c.User, Name: "x"}))
		},
		"get": func(ctx context.Context) error { return testenv.ErrOf(c.Get(ctx, product.Everything(), uncached)) },
		"list": func(ctx context.Context) error {
			return testenv.ErrOf(c.List(ctx, product.Everything(), product.Filter{}))
		},
		"patch": func(ctx context.Context) error {
			return testenv.ErrOf(c.Patch(ctx, product.Everything(), id, product.Patch{Name: &name}, product.Precondition{}))
		},
		"delete": func(ctx context.Context) error {
			return c.Delete(ctx, product.Everything(), id, product.Precondition{})
		},
		"user": func(ctx context.Context) error {
			return testenv.ErrOf(c.Accounts.User(ctx, product.Everything(), c.User))
		},
		"create user": func(ctx context.Context) error {
			return testenv.ErrOf(c.CreateUser(ctx, account.NewUser{Name: "x", Email: name + "@example.org"}))
		},
		"claim": func(ctx context.Context) error {
			return testenv.ErrOf(c.Jobs.Claim(ctx, testenv.JobOf(image), "w", testenv.Lease))
		},
		"renew":   func(ctx context.Context) error { return c.Jobs.Renew(ctx, claim, testenv.Lease) },
		"reserve": func(ctx context.Context) error { return testenv.ErrOf(c.Jobs.Reserve(ctx, claim, testenv.Digest(1))) },
		"settle": func(ctx context.Context) error {
			return c.Jobs.Settle(ctx, claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
		},
		"pending":   func(ctx context.Context) error { return testenv.ErrOf(c.Outbox.PendingInvalidations(ctx)) },
		"stats":     func(ctx context.Context) error { return testenv.ErrOf(c.Outbox.Stats(ctx)) },
		"job stats": func(ctx context.Context) error { return testenv.ErrOf(c.Outbox.JobStats(ctx)) },
		"file": func(ctx context.Context) error {
			return c.DeadLetters.File(ctx, []byte("x"), "rejected")
		},
	}
}

// wantUnavailable makes all calls at once and expects each to end in time.
func wantUnavailable(c *testenv.Environment, calls map[string]func(context.Context) error) {
	c.T.Helper()
	type result struct {
		name string
		err  error
		took time.Duration
	}
	results := make(chan result, len(calls))
	for name, call := range calls {
		go func() {
			start := time.Now()
			err := call(c.T.Context())
			results <- result{name, err, time.Since(start)}
		}()
	}
	for range calls {
		r := testenv.Receive(c.T, "a value", results)
		if !errors.Is(r.err, product.ErrUnavailable) {
			c.T.Errorf("%s: %v, want ErrUnavailable", r.name, r.err)
		}
		if r.took > 4*time.Second { // 3 s, and the delays of a busy machine
			c.T.Errorf("%s took %s", r.name, r.took)
		}
		if r.err != nil && strings.Contains(r.err.Error(), "postgres://") {
			c.T.Errorf("%s shows the DSN: %v", r.name, r.err)
		}
	}
}

func TestFrozenDatabase(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w, cached := c.NewProduct(testenv.Source, testenv.Source), c.NewProduct()
	claim := c.Claim(w.Images[0], "w-1")
	c.Product(cached.ID)
	calls := calls(c, w.ID, c.NewProduct().ID, w.Images[1], claim)
	p.Stall()
	wantUnavailable(c, calls)
	if s, err := c.Get(t.Context(), product.Everything(), cached.ID); err != nil || s.Source != product.FromCacheAlone {
		t.Errorf("a cached product: %v, %v", s.Source, err)
	}
	p.Resume()
	testenv.Eventually(t, "everything works again", func() bool { return c.Store.Check(t.Context()) == nil })
	if got := c.Product(w.ID); got.Name != "Lamp" {
		t.Errorf("%+v", got)
	}
}

func TestDatabaseCutOff(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w, cached := c.NewProduct(testenv.Source, testenv.Source), c.NewProduct()
	claim := c.Claim(w.Images[0], "w-1")
	c.Product(cached.ID)
	calls := calls(c, w.ID, c.NewProduct().ID, w.Images[1], claim)
	p.Refuse()
	wantUnavailable(c, calls)
	if s, err := c.Get(t.Context(), product.Everything(), cached.ID); err != nil || s.Source != product.FromCacheAlone {
		t.Errorf("a cached product: %v, %v", s.Source, err)
	}
	p.Accept()
	// Dead connections in the pool are no error.
	if err := c.Store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLockedRowIsUnavailable(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT id FROM products WHERE id = $1 FOR UPDATE`, w.ID); err != nil {
		t.Fatal(err)
	}
	name := "x"
	wantUnavailable(c, map[string]func(context.Context) error{
		"patch": func(ctx context.Context) error {
			return testenv.ErrOf(c.Patch(ctx, product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}))
		},
		"claim": func(ctx context.Context) error {
			return testenv.ErrOf(c.Jobs.Claim(ctx, testenv.JobOf(w.Images[0]), "w", testenv.Lease))
		},
	})
	// Reading does not wait for writers.
	if got := c.Product(w.ID); got.Version != 1 {
		t.Errorf("%+v", got)
	}
}

// TestCallersDeadline shows that a caller's own shorter deadline ends a call to
// a frozen server.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w := c.NewProduct()
	p.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := c.List(ctx, product.Everything(), product.Filter{})
	testenv.WantErr(t, err, product.ErrUnavailable)
	_, err = c.Get(ctx, product.Everything(), w.ID)
	testenv.WantErr(t, err, product.ErrUnavailable)
	wantUnder(t, start, 1500*time.Millisecond)
	p.Resume()
	testenv.Eventually(t, "the database answers", func() bool { return c.Store.Check(t.Context()) == nil })
	p.Stall()
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start = time.Now()
	_, err = c.Accounts.User(ctx, product.Everything(), c.User) // a query without a transaction
	testenv.WantErr(t, err, product.ErrUnavailable)
	wantUnder(t, start, 1500*time.Millisecond)
}

func wantUnder(t *testing.T, start time.Time, limit time.Duration) {
	t.Helper()
	if d := time.Since(start); d > limit {
		t.Errorf("took %s, want less than %s", d, limit)
	}
}

func TestOpenRefusesBadDSN(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(postgres.Config{DSN: "postgres://u:secret@h:port/db"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestSessionSettings(t *testing.T) {
	t.Parallel()
	dsn := testenv.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("statement_timeout", "700")
	u.RawQuery = query.Encode()
	c := testenv.NewOn(t, dsn, testenv.Open(t, u.String()), testenv.RedisURL(t))
	w := c.NewProduct()
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT id FROM products WHERE id = $1 FOR UPDATE`, w.ID); err != nil {
		t.Fatal(err)
	}
	name := "x"
	_, err = c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	testenv.WantErr(t, err, product.ErrUnavailable)
	// The store's own lock_timeout, which comes before its own statement_timeout,
	// gives another error.
	if pq.As(err, pqerror.QueryCanceled) == nil {
		t.Errorf("%v: the DSN's statement_timeout does not hold", err)
	}
}

func TestPoolExhausted(t *testing.T) {
	t.Parallel()
	dsn := testenv.DSN(t)
	store, err := postgres.Open(postgres.Config{DSN: dsn, MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	c := testenv.NewOn(t, dsn, store, testenv.RedisURL(t))
	w := c.NewProduct()
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT id FROM products WHERE id = $1 FOR UPDATE`, w.ID); err != nil {
		t.Fatal(err)
	}
	name := "x"
	patch := func(ctx context.Context) error {
		return testenv.ErrOf(c.Patch(ctx, product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}))
	}
	wantUnavailable(c, map[string]func(context.Context) error{"one": patch, "two": patch, "three": patch})
}

// TestUnknownCommit has the answer to COMMIT get lost: the caller is told so, and
// nobody reads the old value from the cache.
func TestUnknownCommit(t *testing.T) {
	t.Parallel()
	c, p := testenv.NewBehindProxy(t)
	w := c.NewProduct()
	c.Product(w.ID)
	p.StallAfter("COMMIT")
	name := "Torch"
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	testenv.WantErr(t, err, product.ErrUnavailable)
	p.Resume()
	if n := c.Count("products WHERE version = 2"); n != 1 {
		t.Fatal("it was not committed: the test shows nothing")
	}
	testenv.Eventually(t, "the database answers", func() bool { return c.Store.Check(t.Context()) == nil })
	if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Version != 2 || s.Source != product.FromDatabase {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	role := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	c.Exec(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'pw' CONNECTION LIMIT 0`)
	t.Cleanup(func() {
		if _, err := c.DB.Exec(`DROP ROLE ` + role); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "pw")
	err = testenv.Open(t, u.String()).Check(t.Context())
	testenv.WantErr(t, err, product.ErrUnavailable)
	if e := pq.As(err, pqerror.TooManyConnections); e == nil {
		t.Errorf("%v is no such error: the test shows nothing", err)
	}
}

func TestSessionTerminated(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	u, err := url.Parse(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	application, query := uuid.NewString(), u.Query()
	query.Set("application_name", application)
	u.RawQuery = query.Encode()
	service := testenv.NewReplica(testenv.Open(t, u.String()), c.Cache)
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT id FROM products WHERE id = $1 FOR UPDATE`, w.ID); err != nil {
		t.Fatal(err)
	}
	name, patched := "x", make(chan error, 1)
	go func() {
		patched <- testenv.ErrOf(service.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{}))
	}()
	testenv.Eventually(t, "the session was found and ended", func() bool {
		return c.Count(`(SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = $1 AND wait_event_type = 'Lock') AS ended`, application) > 0
	})
	testenv.WantErr(t, testenv.Receive(t, "a value", patched), product.ErrUnavailable)
}
