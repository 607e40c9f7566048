package product_test

import (
	"context"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"golang.org/x/sync/errgroup"

	"vitrine/product"
	"vitrine/product/producttest"
)

func TestMigrateTenAtOnce(t *testing.T) {
	t.Parallel()
	dsn, schema := producttest.EmptyDSN(t), producttest.Schema(t)
	var g errgroup.Group
	for range 10 {
		g.Go(func() error { return product.Migrate(t.Context(), dsn, schema) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	store := producttest.Open(t, dsn)
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	query(t, dsn, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()
		AND tablename IN ('users', 'products', 'images', 'image_attempts', 'outbox', 'dead_letters', 'idempotency_keys', 'api_keys', 'uploads')`)
	if n != 9 {
		t.Errorf("%d of 9 tables", n)
	}
	query(t, dsn, &n, `SELECT count(*) FROM schema_state`)
	if n != 1 {
		t.Errorf("applied %d times, want once", n)
	}
}

func TestMigrateRepeats(t *testing.T) {
	t.Parallel()
	dsn := producttest.DSN(t)
	// Another text with the same statements runs them all a second time.
	if err := product.Migrate(t.Context(), dsn, producttest.Schema(t)+"\n-- again"); err != nil {
		t.Fatal(err)
	}
}

// earlierChecks is what the release before pictures were reworked had in the place of
// what it has now.
const earlierChecks = `
	ALTER TABLE image_attempts DROP CONSTRAINT image_attempts_outcome_known;
	ALTER TABLE image_attempts ADD CONSTRAINT image_attempts_outcome_known
		CHECK (outcome IN ('ready', 'retry', 'failed', 'handed_back', 'lost'));
	ALTER TABLE outbox DROP CONSTRAINT outbox_kind_known;
	ALTER TABLE outbox ADD CONSTRAINT outbox_kind_known CHECK (kind IN ('image_job', 'delete_objects', 'invalidate'));
	ALTER TABLE images DROP COLUMN recipe, DROP COLUMN focal_x, DROP COLUMN focal_y, DROP COLUMN source_etag,
		DROP COLUMN source_modified, DROP COLUMN rework_sha256`

// TestMigrateFromTheEarlierRelease has the schema be applied to a database with rows
// of an earlier release, and once more.
func TestMigrateFromTheEarlierRelease(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	image := c.create(source).Images[0].ID
	c.exec(earlierChecks)
	const attempt = `INSERT INTO image_attempts (image_id, generation, attempt, stage, outcome, worker, request_id, started_at, duration_ms)
		VALUES ($1, 1, 1, 'store', $2, 'w', '', now(), 1)`
	const row = `INSERT INTO outbox (kind, subject, payload) VALUES ($2, $1, '{}')`
	refused := func(q, value string) bool {
		_, err := c.db.ExecContext(t.Context(), q, image, value)
		return pq.As(err, pqerror.CheckViolation) != nil
	}
	if !refused(attempt, "kept") || !refused(row, "image_rework") {
		t.Fatal("the database is not of the earlier release")
	}
	var before, after string
	const made = `SELECT string_agg(cast(oid AS text), ' ' ORDER BY conname) FROM pg_constraint
		WHERE conname IN ('image_attempts_outcome_known', 'outbox_kind_known') AND connamespace = current_schema()::regnamespace`
	for _, text := range []string{"\n-- new", "\n-- and again"} {
		before = after
		if err := product.Migrate(t.Context(), c.dsn, producttest.Schema(t)+text); err != nil {
			t.Fatal(err)
		}
		for _, outcome := range []string{"lost", "reworked", "unchanged", "kept"} {
			c.exec(attempt, image, outcome)
		}
		c.exec(row, image, "image_rework")
		if !refused(attempt, "other") || !refused(row, "other") {
			t.Error("anything is let in")
		}
		c.scan(&after, made)
	}
	if before != after {
		t.Error("checks were made anew for nothing: that locks the tables and reads them")
	}
	if n := c.count(`images WHERE recipe = '' AND focal_x IS NULL AND rework_sha256 IS NULL`); n != 1 {
		t.Errorf("%d images", n)
	}
}

func TestMigrateBadSchemaChangesNothing(t *testing.T) {
	t.Parallel()
	dsn := producttest.EmptyDSN(t)
	if err := product.Migrate(t.Context(), dsn, "CREATE TABLE half (a int); CREATE TABLE broken ("); err == nil {
		t.Fatal("no error")
	}
	var n int
	query(t, dsn, &n, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`)
	if n != 0 {
		t.Errorf("%d tables are left over", n)
	}
}

func TestMigrateEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := product.Migrate(ctx, producttest.EmptyDSN(t), producttest.Schema(t)); err == nil {
		t.Fatal("no error")
	}
}
