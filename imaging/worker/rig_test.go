package worker_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/lib/pq"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/sirupsen/logrus"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/worker"
)

// setting reads a variable of the real servers' environment.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run `make up`, and take the environment from `deploy/local env`", name)
	}
	return value
}

// jobs is the least that a job store can be: one table in PostgreSQL.
type jobs struct{ db *sql.DB }

const jobsSchema = `CREATE TABLE jobs (
	id uuid PRIMARY KEY, generation bigint NOT NULL, product uuid NOT NULL, source text NOT NULL,
	status text NOT NULL DEFAULT 'pending', attempts int NOT NULL DEFAULT 0, deferrals int NOT NULL DEFAULT 0, owner text, lease_until timestamptz,
	sha256 text, code text, stage text, retry_in bigint, ours boolean, result jsonb)`

// newJobs makes a store in a schema of its own, reached through a proxy that can
// be cut.
func newJobs(t *testing.T) (*jobs, *proxy) {
	t.Helper()
	through := newProxy(t, net.JoinHostPort(setting(t, "DB_HOST"), setting(t, "DB_PORT")))
	dsn := url.URL{
		Scheme: "postgres", User: url.UserPassword(setting(t, "DB_USER"), setting(t, "DB_PASS")),
		Host: through.address, Path: setting(t, "DB_NAME"),
	}
	schema := "imaging_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	dsn.RawQuery = url.Values{"sslmode": {"disable"}, "search_path": {schema}, "connect_timeout": {"3"}}.Encode()
	db, err := sql.Open("postgres", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatalf("PostgreSQL is not to be had, run `make up`: %v", err)
	}
	t.Cleanup(func() {
		through.cut.Store(false)
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	})
	if _, err := db.Exec(jobsSchema); err != nil {
		t.Fatal(err)
	}
	return &jobs{db: db}, through
}

func (j *jobs) Claim(ctx context.Context, job imaging.Job, owner string, lease time.Duration) (imaging.Claim, error) {
	c := imaging.Claim{Job: job, Holder: owner}
	if job.Reprocess {
		c.Reason = imaging.ReasonReprocess
	}
	err := j.db.QueryRowContext(ctx, `
		UPDATE jobs SET status = 'processing', attempts = attempts + 1, owner = $3, lease_until = now() + $4 * interval '1 ms'
		WHERE id = $1 AND generation = $2 AND (status = 'pending' OR status = 'processing' AND lease_until < now())
		RETURNING product, source, attempts, deferrals`, job.ImageID, job.Generation, owner, lease.Milliseconds()).
		Scan(&c.ObjectKey, &c.Source, &c.Attempt, &c.Deferrals)
	if !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	return c, imaging.ErrNothingToDo
}

// PutBack is for reprocessing, which these jobs are not.
func (j *jobs) PutBack(context.Context, imaging.Job) error {
	return errors.New("not a job of this store")
}

func (j *jobs) change(ctx context.Context, c imaging.Claim, set string, args ...any) error {
	q := `UPDATE jobs SET ` + set + ` WHERE id = $1 AND owner = $2 AND status = 'processing'`
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

// row is what the table says of a job.
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

// add makes a job whose next try has that number.
func (j *jobs) add(t *testing.T, source string, attempt int) imaging.Job {
	t.Helper()
	job := imaging.Job{ImageID: uuid.New(), Generation: 1, RequestID: "request-1"}
	if _, err := j.db.Exec(`INSERT INTO jobs (id, generation, product, source, attempts) VALUES ($1, 1, $2, $3, $4)`,
		job.ImageID, uuid.New(), source, attempt-1); err != nil {
		t.Fatal(err)
	}
	return job
}

// objects stores in the real S3 server.
type objects struct {
	client *minio.Client
	bucket string
}

func newObjects(t *testing.T, endpoint string) *objects {
	t.Helper()
	client, err := minio.New(endpoint, &minio.Options{
		Creds:  credentials.NewStaticV4(setting(t, "AWS_ACCESS_KEY"), setting(t, "AWS_SECRET_KEY"), ""),
		Region: setting(t, "AWS_REGION"), MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &objects{client: client, bucket: "imaging-test"}
}

func s3Endpoint(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(setting(t, "S3_ENDPOINT"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func (o *objects) Put(ctx context.Context, key, contentType string, body []byte) error {
	_, err := o.client.PutObject(ctx, o.bucket, key, strings.NewReader(string(body)), int64(len(body)),
		minio.PutObjectOptions{ContentType: contentType, DisableMultipart: true})
	return err
}

func (o *objects) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, info, _, err := minio.Core{Client: o.client}.GetObject(ctx, o.bucket, key, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		err = fs.ErrNotExist
	}
	return body, info.Size, err
}

func (o *objects) ensure(t *testing.T) {
	t.Helper()
	err := o.client.MakeBucket(t.Context(), o.bucket, minio.MakeBucketOptions{})
	if code := minio.ToErrorResponse(err).Code; err != nil && code != minio.BucketAlreadyOwnedByYou {
		t.Fatalf("S3 is not to be had, run `make up`: %v", err)
	}
}

func (o *objects) get(t *testing.T, key string) (body []byte, contentType string) {
	t.Helper()
	object, err := o.client.GetObject(t.Context(), o.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := object.Stat()
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	body, err = io.ReadAll(object)
	if err != nil {
		t.Fatal(err)
	}
	return body, info.ContentType
}

// rig is a worker on real servers and a web server with sources.
type rig struct {
	*worker.Worker
	jobs    *jobs
	db      *proxy
	objects *objects
	web     *sourceServer
	log     *strings.Builder
}

func newRig(t *testing.T, handler http.HandlerFunc, cfg worker.Config, endpoint string, wrap func(*jobs) worker.JobStore) *rig {
	t.Helper()
	r := &rig{objects: newObjects(t, endpoint), web: newSourceServer(t, handler), log: &strings.Builder{}}
	r.jobs, r.db = newJobs(t)
	var store worker.JobStore = r.jobs
	if wrap != nil {
		store = wrap(r.jobs)
	}
	log := logrus.New()
	log.SetOutput(r.log) // logrus writes under a lock of its own
	log.SetFormatter(&logrus.JSONFormatter{})
	fetcher := r.web.fetcher(t, fetch.Config{Timeout: 5 * time.Second, HostConnections: 64})
	r.Worker = worker.New(store, r.objects, fetcher, cfg, log, nil)
	return r
}

// handle delivers the job's message.
func (r *rig) handle(ctx context.Context, t *testing.T, job imaging.Job) worker.Verdict {
	t.Helper()
	body, err := job.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return r.Handle(ctx, body)
}
