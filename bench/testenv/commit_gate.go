package testenv

import (
	"database/sql"
	"testing"
	"time"

	"github.com/lib/pq"
)

// Gate holds up COMMITs, so that a test can do something while one is under way.
type Gate struct {
	t    testing.TB
	db   *sql.DB
	lock *sql.Tx // has the advisory lock that the COMMITs wait for
}

// HoldCommits makes every transaction that inserts into table wait in its COMMIT
// until [Gate.Open] or the end of the test. dsn is that of the schema. The sessions' own lock_timeout and
// statement_timeout hold there too.
func HoldCommits(t testing.TB, dsn, table string) *Gate {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	g := &Gate{t: t, db: db}
	g.exec(`CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(hashtextextended('gate ' || current_schema(), 0));
			RETURN NULL;
		END $$`)
	g.exec(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON ` + pq.QuoteIdentifier(table) + `
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate()`)
	if g.lock, err = db.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Open)
	if _, err := g.lock.ExecContext(t.Context(), `SELECT pg_advisory_xact_lock(hashtextextended('gate ' || current_schema(), 0))`); err != nil {
		t.Fatal(err)
	}
	return g
}

// Open lets those that wait go on, and others pass.
func (g *Gate) Open() { _ = g.lock.Rollback() } // the second time it does nothing

// Await waits until a COMMIT is held up.
func (g *Gate) Await() {
	g.t.Helper()
	g.until(`SELECT count(*) > 0 ` + held)
}

// Kill ends the sessions whose COMMITs are held up, which undoes their work.
func (g *Gate) Kill() {
	g.t.Helper()
	g.exec(`SELECT pg_terminate_backend(pid) ` + held)
	g.until(`SELECT count(*) = 0 ` + held)
}

// held selects the sessions at the gate of this schema.
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

// until waits until the answer is true.
func (g *Gate) until(q string) {
	g.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(postgresTimeout); ; <-tick.C {
		var reached bool
		if err := g.db.QueryRowContext(g.t.Context(), q).Scan(&reached); err != nil {
			g.t.Fatal(err)
		}
		if reached {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatal("waited in vain for what happens at the gate")
		}
	}
}
