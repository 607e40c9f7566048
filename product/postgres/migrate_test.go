package postgres_test

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/product/postgres"
)

func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	dsn, schema := testenv.EmptyDSN(t), testenv.Schema(t)
	var g errgroup.Group
	for range 10 {
		g.Go(func() error { return postgres.Migrate(t.Context(), dsn, schema) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	store := testenv.Open(t, dsn)
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	testenv.QueryRow(t, dsn, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()
		AND tablename IN ('users', 'products', 'images', 'image_attempts', 'outbox', 'dead_letters', 'idempotency_keys', 'api_keys', 'uploads')`)
	if n != 9 {
		t.Errorf("%d of 9 tables exist", n)
	}
	testenv.QueryRow(t, dsn, &n, `SELECT count(*) FROM schema_state`)
	if n != 1 {
		t.Errorf("schema applied %d times, want once", n)
	}
}

func TestMigrateRepeats(t *testing.T) {
	t.Parallel()
	dsn := testenv.DSN(t)
	// Another text with the same statements runs all of them again.
	if err := postgres.Migrate(t.Context(), dsn, testenv.Schema(t)+"\n-- again"); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateBadSchemaChangesNothing(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyDSN(t)
	if err := postgres.Migrate(t.Context(), dsn, "CREATE TABLE half (a int); CREATE TABLE broken ("); err == nil {
		t.Fatal("no error")
	}
	var n int
	testenv.QueryRow(t, dsn, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`)
	if n != 0 {
		t.Errorf("%d tables were left behind", n)
	}
}

func TestMigrateEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := postgres.Migrate(ctx, testenv.EmptyDSN(t), testenv.Schema(t)); err == nil {
		t.Fatal("no error")
	}
}
