package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/catalogue"
	"vitrine/product/deadletter"
	"vitrine/product/event"
	"vitrine/product/job"
	"vitrine/product/maintenance"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// Environment is the services of one process, with a schema and a part of Redis of their
// own.
type Environment struct {
	*Replica
	T     *testing.T
	DSN   string  // of the schema
	DB    *sql.DB // a direct connection to the schema, not that of the services
	Cache *cache.Cache
	User  int64 // a user that exists
}

// Replica is the services of one process.
type Replica struct {
	*catalogue.Service
	Store       *postgres.DB
	Outbox      *outbox.Store
	Events      *event.Log
	Accounts    *account.Service
	Jobs        *job.Store
	DeadLetters *deadletter.Service
}

// NewReplica returns the services on a database and a cache.
func NewReplica(store *postgres.DB, cache catalogue.Cache) *Replica {
	objectURL := func(key string) string { return "https://cdn.example/" + key }
	r := &Replica{Store: store, Outbox: outbox.New(store), Events: event.NewLog(store)}
	r.Service = catalogue.New(store, r.Outbox, r.Events, cache, objectURL, Quiet())
	r.Accounts = account.New(store, r.Outbox, cache, Quiet())
	r.Jobs = job.New(store, r.Service, r.Outbox.Free)
	r.DeadLetters = deadletter.New(store, r.Service, Quiet())
	return r
}

// Create stores a product on behalf of the administrator.
func (r *Replica) Create(ctx context.Context, n product.NewProduct) (product.Snapshot, error) {
	created, _, err := r.Service.Create(ctx, product.Everything(), n, postgres.Idempotency{})
	return created, err
}

// CreateUser stores a user.
func (r *Replica) CreateUser(ctx context.Context, n account.NewUser) (account.User, error) {
	u, _, err := r.Accounts.CreateUser(ctx, n, postgres.Idempotency{})
	return u, err
}

// New returns an environment with a fresh schema.
func New(t *testing.T) *Environment {
	t.Helper()
	dsn := DSN(t)
	return NewOn(t, dsn, Open(t, dsn), RedisURL(t))
}

// NewOn returns an environment whose services use store and the Redis server at redis, either
// of which may be behind a proxy. dsn connects to the schema of store directly.
func NewOn(t *testing.T, dsn string, store *postgres.DB, redis string) *Environment {
	t.Helper()
	e := &Environment{T: t, DSN: dsn, DB: OpenDB(t, dsn)}
	e.Cache = OpenCache(t, redis, uuid.NewString()+":", outbox.New(store).PendingInvalidations)
	e.Replica = NewReplica(store, e.Cache)
	e.Scan(&e.User, `INSERT INTO users (name, email) VALUES ('Ada', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return e
}

// NewBehindProxy returns an environment whose services reach PostgreSQL through the proxy.
func NewBehindProxy(t *testing.T) (*Environment, *Proxy) {
	t.Helper()
	dsn := DSN(t)
	through, proxy := ProxyURL(t, dsn)
	return NewOn(t, dsn, Open(t, through), RedisURL(t)), proxy
}

// AnotherReplica returns the environment of another process with the same schema and cache.
func (e *Environment) AnotherReplica() *Environment {
	e.T.Helper()
	other := *e
	other.Replica = NewReplica(Open(e.T, e.DSN), e.Cache)
	return &other
}

// RunEventLog runs the listener, the sequencer and the tailer of the event log.
func (e *Environment) RunEventLog() {
	e.T.Helper()
	RunEventLog(e.T, e.DSN, e.Events)
}

// RunEventLog runs the listener, the sequencer and the tailer of an event log.
func RunEventLog(t testing.TB, dsn string, events *event.Log) {
	t.Helper()
	listener := postgres.NewListener(dsn, Quiet())
	Run(t, event.NewSequencer(events, Quiet()).Run)
	Run(t, event.NewTailer(events, listener.Wake(event.Channel, ""), Quiet()).Run)
	Run(t, listener.Run)
}

// Reconcile makes one pass of the reconciler.
func (e *Environment) Reconcile(q job.Queue) {
	e.T.Helper()
	if err := maintenance.NewReconciler(e.Store, maintenance.Steps(q), Quiet()).Pass(e.T.Context()); err != nil {
		e.T.Fatal(err)
	}
}

// Sweep runs the sweeper, without its pauses between pages, until it has seen the whole
// bucket. It returns the number of pages.
func (e *Environment) Sweep(objects maintenance.Objects, cfg maintenance.SweepConfig) (pages int) {
	e.T.Helper()
	s := maintenance.NewSweeper(e.Store, e.Jobs, objects, cfg, Quiet())
	for pages = 1; ; pages++ {
		e.Exec(`UPDATE object_sweep SET due_at = now() - interval '1 second'`)
		if did, err := s.Page(e.T.Context()); err != nil || !did {
			e.T.Fatal(did, err)
		}
		if e.Count("object_sweep WHERE position = ''") == 1 {
			return pages
		}
	}
}

// Exec executes a statement.
func (e *Environment) Exec(q string, args ...any) {
	e.T.Helper()
	if _, err := e.DB.ExecContext(e.T.Context(), q, args...); err != nil {
		e.T.Fatal(err)
	}
}

// Scan reads the only column of the row that q returns.
func (e *Environment) Scan(dest any, q string, args ...any) {
	e.T.Helper()
	if err := e.DB.QueryRowContext(e.T.Context(), q, args...).Scan(dest); err != nil {
		e.T.Fatal(err)
	}
}

// Count returns the number of rows in q, which is a table, and may go on with joins and
// conditions.
func (e *Environment) Count(q string, args ...any) int {
	e.T.Helper()
	var n int
	e.Scan(&n, "SELECT count(*) FROM "+q, args...)
	return n
}

// CacheKey returns the key of a product in Redis, without the prefix of the environment.
func (e *Environment) CacheKey(id int64) string {
	e.T.Helper()
	var installation string
	e.Scan(&installation, `SELECT id FROM installation`)
	return fmt.Sprintf("product:v1:%s:%d", installation, id)
}

// ObjectKey returns the object key of a product.
func (e *Environment) ObjectKey(id int64) (key uuid.UUID) {
	e.T.Helper()
	e.Scan(&key, `SELECT object_key FROM products WHERE id = $1`, id)
	return key
}
