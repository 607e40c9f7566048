package worker_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
)

// jobs is a minimal job store: one table in PostgreSQL.
type jobs struct{ db *sql.DB }

const jobsSchema = `CREATE TABLE jobs (
	id uuid PRIMARY KEY, generation bigint NOT NULL, product uuid NOT NULL, source text NOT NULL,
	status text NOT NULL DEFAULT 'pending', attempts int NOT NULL DEFAULT 0, deferrals int NOT NULL DEFAULT 0, holder text, lease_until timestamptz,
	sha256 text, code text, stage text, retry_in bigint, ours boolean, result jsonb)`

// newJobs returns a job store in a fresh schema, and the proxy through which it reaches
// PostgreSQL.
func newJobs(t *testing.T) (*jobs, *testenv.Proxy) {
	t.Helper()
	through, proxy := testenv.ProxyURL(t, testenv.EmptyDSN(t))
	j := &jobs{db: testenv.OpenDB(t, through)}
	if _, err := j.db.Exec(jobsSchema); err != nil {
		t.Fatal(err)
	}
	return j, proxy
}

func (j *jobs) Claim(ctx context.Context, job imaging.Job, holder string, lease time.Duration) (imaging.Claim, error) {
	c := imaging.Claim{Job: job, Holder: holder}
	if job.Reprocess {
		c.Reason = imaging.ReasonReprocess
	}
	err := j.db.QueryRowContext(ctx, `
		UPDATE jobs SET status = 'processing', attempts = attempts + 1, holder = $3, lease_until = now() + $4 * interval '1 ms'
		WHERE id = $1 AND generation = $2 AND (status = 'pending' OR status = 'processing' AND lease_until < now())
		RETURNING product, source, attempts, deferrals`, job.ImageID, job.Generation, holder, lease.Milliseconds()).
		Scan(&c.ObjectKey, &c.Source, &c.Attempt, &c.Deferrals)
	if !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	return c, imaging.ErrNothingToDo
}

// PutBack fails: no test of this package exceeds the limit of reprocessing.
func (j *jobs) PutBack(context.Context, imaging.Job) error {
	return errors.New("not a job of this store")
}

func (j *jobs) change(ctx context.Context, c imaging.Claim, set string, args ...any) error {
	q := `UPDATE jobs SET ` + set + ` WHERE id = $1 AND holder = $2 AND status = 'processing'`
	result, err := j.db.ExecContext(ctx, q, append([]any{c.ImageID, c.Holder}, args...)...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return imaging.ErrLeaseLost
}

func (j *jobs) Renew(ctx context.Context, c imaging.Claim, lease time.Duration) error {
	return j.change(ctx, c, `lease_until = now() + $3 * interval '1 ms'`, lease.Milliseconds())
}

func (j *jobs) Reserve(ctx context.Context, c imaging.Claim, sha256 string) (*imaging.Result, error) {
	if err := j.change(ctx, c, `sha256 = $3`, sha256); err != nil {
		return nil, err
	}
	var duplicate []byte
	err := j.db.QueryRowContext(ctx, `SELECT result FROM jobs WHERE product = $1 AND sha256 = $2 AND status = 'ready'`, c.ObjectKey, sha256).Scan(&duplicate)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	result := &imaging.Result{}
	return result, json.Unmarshal(duplicate, result)
}

func (j *jobs) Settle(ctx context.Context, c imaging.Claim, o imaging.Outcome) error {
	if o.Err == nil {
		result, err := json.Marshal(o.Result)
		if err != nil {
			return err
		}
		return j.change(ctx, c, `status = 'ready', result = $3, stage = $4`, result, o.Stage)
	}
	status := "failed"
	if o.Retry {
		status = "pending"
	}
	return j.change(ctx, c, `status = $3, code = $4, stage = $5, retry_in = $6, ours = $7`,
		status, o.Err.Code, o.Stage, o.RetryIn.Milliseconds(), o.Err.Ours)
}

// row is a job's row in the table.
type row struct {
	Status, Code string
	Stage        imaging.Stage
	Attempts     int
	RetryIn      time.Duration
	Ours         bool
	Result       imaging.Result
}

func (j *jobs) row(t *testing.T, job imaging.Job) row {
	t.Helper()
	var r row
	var result []byte
	var retry int64
	err := j.db.QueryRow(`SELECT status, coalesce(code, ''), coalesce(stage, ''), attempts, coalesce(retry_in, 0), coalesce(ours, false), result
		FROM jobs WHERE id = $1`, job.ImageID).Scan(&r.Status, &r.Code, &r.Stage, &r.Attempts, &retry, &r.Ours, &result)
	if err != nil {
		t.Fatal(err)
	}
	r.RetryIn = time.Duration(retry) * time.Millisecond
	if result != nil {
		if err := json.Unmarshal(result, &r.Result); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// add stores a job whose next attempt has the number attempt.
func (j *jobs) add(t *testing.T, source string, attempt int) imaging.Job {
	t.Helper()
	job := imaging.Job{ImageID: uuid.New(), Generation: 1, RequestID: "request-1"}
	if _, err := j.db.Exec(`INSERT INTO jobs (id, generation, product, source, attempts) VALUES ($1, 1, $2, $3, $4)`,
		job.ImageID, uuid.New(), source, attempt-1); err != nil {
		t.Fatal(err)
	}
	return job
}

// leaseUntil returns the end of a job's lease.
func (j *jobs) leaseUntil(t *testing.T, job imaging.Job) (until time.Time) {
	t.Helper()
	if err := j.db.QueryRow(`SELECT lease_until FROM jobs WHERE id = $1`, job.ImageID).Scan(&until); err != nil {
		t.Fatal(err)
	}
	return until
}
