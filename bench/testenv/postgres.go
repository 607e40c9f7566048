// Package producttest gives tests a database of their own: a fresh PostgreSQL
// schema that goes away with the test.
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

const postgresTimeout = 30 * time.Second

// Server is the URL of the database server that the environment names (DB_HOST,
// DB_PORT, DB_USER, DB_PASS, DB_NAME, DB_SSLMODE). The test fails where one is
// missing.
func postgresURL(t testing.TB) *url.URL {
	t.Helper()
	get := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			t.Fatalf("%s is not set: start the servers with `make up` and run the tests with `make test`", name)
		}
		return v
	}
	u := &url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(get("DB_USER"), get("DB_PASS")),
		Host:   net.JoinHostPort(get("DB_HOST"), get("DB_PORT")),
		Path:   "/" + get("DB_NAME"),
	}
	u.RawQuery = url.Values{"sslmode": {get("DB_SSLMODE")}}.Encode()
	return u
}

// EmptyDSN is the URL of a fresh, empty schema, dropped when the test ends.
func EmptyDSN(t testing.TB) string {
	t.Helper()
	server := postgresURL(t)
	db, err := sql.Open("postgres", server.String()+"&connect_timeout=5")
	if err != nil {
		t.Fatalf("PostgreSQL cannot be used: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), postgresTimeout)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		t.Fatalf("PostgreSQL does not answer at %s: start it with `make up` (%v)", server.Host, err)
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

// DSN is the URL of a fresh schema with the tables in it, dropped when the test
// ends.
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

// DB is a store on a fresh schema.
func Database(t testing.TB) *postgres.DB {
	t.Helper()
	return Open(t, DSN(t))
}

// Open is a store on dsn, closed when the test ends.
func Open(t testing.TB, dsn string) *postgres.DB {
	t.Helper()
	store, err := postgres.Open(postgres.Config{DSN: dsn, MaxOpen: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// Schema is the text of schema.sql.
func Schema(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the place of this package's source is unknown")
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "..", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
