package testenv

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"vitrine/product/postgres"
)

// postgresTimeout limits each step that makes or drops a schema.
const postgresTimeout = 30 * time.Second

// postgresURL returns the URL of the PostgreSQL server that DB_HOST, DB_PORT, DB_USER, DB_PASS,
// DB_NAME and DB_SSLMODE name.
func postgresURL(t testing.TB) *url.URL {
	t.Helper()
	u := &url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(Setting(t, "DB_USER"), Setting(t, "DB_PASS")),
		Host:   net.JoinHostPort(Setting(t, "DB_HOST"), Setting(t, "DB_PORT")),
		Path:   "/" + Setting(t, "DB_NAME"),
	}
	u.RawQuery = url.Values{"sslmode": {Setting(t, "DB_SSLMODE")}}.Encode()
	return u
}

// EmptyDSN returns the URL of a fresh, empty schema, which is dropped when the test ends.
func EmptyDSN(t testing.TB) string {
	t.Helper()
	server := postgresURL(t)
	db, err := sql.Open("postgres", server.String()+"&connect_timeout=5")
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), postgresTimeout)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		t.Fatalf("PostgreSQL does not respond at %s: start it with `make up` (%v)", server.Host, err)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+pq.QuoteIdentifier(name)); err != nil {
		t.Fatalf("create schema: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), postgresTimeout)
		defer cancel()
		if _, err := db.ExecContext(ctx, "DROP SCHEMA "+pq.QuoteIdentifier(name)+" CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
	})
	query := server.Query()
	query.Set("search_path", name+",public") // public has the extension
	server.RawQuery = query.Encode()
	return server.String()
}

// DSN returns the URL of a fresh schema with the tables of schema.sql, which is dropped
// when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	dsn := EmptyDSN(t)
	ctx, cancel := context.WithTimeout(context.Background(), postgresTimeout)
	defer cancel()
	if err := postgres.Migrate(ctx, dsn, Schema(t)); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// Database returns a database on a fresh schema.
func Database(t testing.TB) *postgres.DB {
	t.Helper()
	return Open(t, DSN(t))
}

// Open returns a database on dsn, which is closed when the test ends.
func Open(t testing.TB, dsn string) *postgres.DB {
	t.Helper()
	store, err := postgres.Open(postgres.Config{DSN: dsn, MaxOpen: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// Schema returns the text of schema.sql.
func Schema(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("cannot find schema.sql: the binary does not record the path of its source")
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "..", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// OpenDB returns a pool of three connections to dsn, which is closed when the test ends.
func OpenDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(3)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// QueryRow reads the only column of the row that q returns.
func QueryRow(t testing.TB, dsn string, dest any, q string, args ...any) {
	t.Helper()
	if err := OpenDB(t, dsn).QueryRowContext(t.Context(), q, args...).Scan(dest); err != nil {
		t.Fatal(err)
	}
}
