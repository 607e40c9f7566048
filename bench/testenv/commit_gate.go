package testenv

import (
	"database/sql"
	"testing"

	"github.com/lib/pq"
)

// Gate holds up COMMITs, so that a test can act while one is in progress.
type Gate struct {
	t    testing.TB
	db   *sql.DB
	lock *sql.Tx // holds the advisory lock that the COMMITs wait for
}

// HoldCommits makes the COMMIT of every transaction that inserts into table wait until
// [Gate.Open] or the end of the test. The lock_timeout and statement_timeout of the sessions
// still apply.
func HoldCommits(t testing.TB, dsn, table string) *Gate {
	t.Helper()
	g := &Gate{t: t, db: OpenDB(t, dsn)}
	g.exec(`CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(hashtextextended('gate ' || current_schema(), 0));
			RETURN NULL;
		END $$`)
	g.exec(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON ` + pq.QuoteIdentifier(table) + `
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate()`)
	var err error
	if g.lock, err = g.db.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Open)
	if _, err := g.lock.ExecContext(t.Context(), `SELECT pg_advisory_xact_lock(hashtextextended('gate ' || current_schema(), 0))`); err != nil {
		t.Fatal(err)
	}
	return g
}

// Open lets the COMMITs proceed. It may be called twice.
func (g *Gate) Open() { _ = g.lock.Rollback() }

// Await waits until a COMMIT is held up.
func (g *Gate) Await() {
	g.t.Helper()
	g.until("a COMMIT is held up", `SELECT count(*) > 0 `+held)
}

// Kill ends the sessions whose COMMITs are held up, which rolls their transactions back.
func (g *Gate) Kill() {
	g.t.Helper()
	g.exec(`SELECT pg_terminate_backend(pid) ` + held)
	g.until("no COMMIT is held up", `SELECT count(*) = 0 `+held)
}

// held selects the sessions that wait at the gate of the schema.
const held = `
	FROM pg_locks JOIN pg_stat_activity USING (pid)
	WHERE NOT granted AND locktype = 'advisory' AND query = 'COMMIT'
		AND (classid::bigint << 32 | objid::bigint) = hashtextextended('gate ' || current_schema(), 0)`

func (g *Gate) exec(q string) {
	g.t.Helper()
	if _, err := g.db.ExecContext(g.t.Context(), q); err != nil {
		g.t.Fatal(err)
	}
}

// until waits until q returns true.
func (g *Gate) until(what, q string) {
	g.t.Helper()
	Eventually(g.t, what, func() bool {
		var reached bool
		if err := g.db.QueryRowContext(g.t.Context(), q).Scan(&reached); err != nil {
			g.t.Fatal(err)
		}
		return reached
	})
}
