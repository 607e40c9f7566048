package product_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// line records what job relays send, and is no broker: nothing takes it from there.
type line struct {
	c    *catalogue
	jobs chan imaging.Job

	mu     sync.Mutex
	owners []uuid.UUID // of the jobs, as they were sent
}

func newLine(c *catalogue) *line { return &line{c: c, jobs: make(chan imaging.Job, 5000)} }

func (l *line) Depth(context.Context) (int, error) { return 0, nil }

func (l *line) Publish(ctx context.Context, messages []product.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		job, err := imaging.DecodeJob(m.Body)
		if err != nil {
			errs[i] = err
			continue
		}
		var owner uuid.UUID
		const q = `SELECT user_id FROM images JOIN products ON products.id = product_id WHERE images.id = $1`
		if errs[i] = l.c.db.QueryRowContext(ctx, q, job.ImageID).Scan(&owner); errs[i] != nil {
			continue
		}
		l.mu.Lock()
		l.owners = append(l.owners, owner)
		l.mu.Unlock()
		l.jobs <- job
	}
	return errs
}

func (l *line) sent() []uuid.UUID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.owners)
}

// relays runs a replica's job relay, for each of n replicas, and gives their stores.
func (l *line) relays(n int, limits product.JobLimits) (stores []*product.Store) {
	l.c.t.Helper()
	for range n {
		store := producttest.Open(l.c.t, l.c.dsn)
		stores = append(stores, store)
		run(l.c.t, product.NewJobRelay(store, l, limits, nil, quiet()).Run)
	}
	return stores
}

// begin claims the next job that was sent.
func (l *line) begin() imaging.Claim {
	l.c.t.Helper()
	claim, err := l.c.jobs.Claim(l.c.t.Context(), receive(l.c.t, l.jobs), "w", lease)
	if err != nil {
		l.c.t.Fatal(err)
	}
	return claim
}

// TestOwnersTakeTurns shows the order in which backlogs go: what gives an owner
// the fewest jobs in flight is the next, and an owner's oldest comes first.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	owners := []uuid.UUID{c.user, c.addUser(), c.addUser()}
	for i, n := range []int{60, 3, 1} { // as they came
		c.backlog(owners[i], n)
	}
	l := newLine(c)
	l.relays(1, freely)
	eventually(t, "all jobs are sent", func() bool { return len(l.sent()) == 64 })
	sent := l.sent()
	for i, within := range []int{64, 8, 3} {
		last := len(sent) - 1
		for sent[last] != owners[i] {
			last--
		}
		if last >= within {
			t.Errorf("the last job of owner %d was number %d, want it among the first %d", i, last+1, within)
		}
	}
}

// TestOwnersOldestFirst shows that within an owner's line the time decides at
// which a job became due, whether it is new, a retry or a replay.
func TestOwnersOldestFirst(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 150)
	c.exec(`UPDATE outbox SET available_at = now() - interval '1 hour' + (id * 7919 % 151) * interval '1 second'`)
	var want []uuid.UUID
	rows, err := c.db.Query(`SELECT subject FROM outbox ORDER BY available_at`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	l := newLine(c)
	l.relays(1, freely)
	var got []uuid.UUID
	for range want {
		got = append(got, receive(t, l.jobs).ImageID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManyOwnersTakeTurns has more owners than are weighed at once: each has its
// first job sent before anybody has many.
func TestManyOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 400)
	newcomers := make(map[uuid.UUID]bool)
	for range 90 {
		user := c.addUser()
		newcomers[user] = true
		c.backlog(user, 2)
	}
	l := newLine(c)
	l.relays(2, product.JobLimits{PerOwner: 1000, Waiting: 1000})
	eventually(t, "all jobs are sent", func() bool { return len(l.sent()) == 580 })
	for _, owner := range l.sent()[:400] {
		delete(newcomers, owner)
	}
	if len(newcomers) != 0 {
		t.Errorf("%d of 90 owners had no job among the first 400", len(newcomers))
	}
}

// TestOwnersLimitHolds has the relays of several replicas race for the jobs of
// several owners: none ever has more in flight than is allowed, and each gets what
// is, when its jobs are sent, at work and done.
func TestOwnersLimitHolds(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	const most, backlog = 3, 12
	want := make(map[uuid.UUID]int)
	for _, owner := range []uuid.UUID{c.user, c.addUser(), c.addUser(), c.addUser()} {
		c.backlog(owner, backlog)
		want[owner] = most
	}
	l := newLine(c)
	stores := l.relays(4, product.JobLimits{PerOwner: most, Waiting: 1000})
	count := func() map[uuid.UUID]int {
		n := make(map[uuid.UUID]int)
		for _, owner := range l.sent() {
			n[owner]++
		}
		return n
	}
	total := func(n int) func() bool { return func() bool { return len(l.sent()) >= n } }
	eventually(t, "every owner has what it may have", total(4*most))
	claims := make([]imaging.Claim, 4*most)
	for i := range claims {
		claims[i] = l.begin() // at work they count as before
	}
	if n := c.count("images WHERE sent"); n != 0 {
		t.Errorf("%d images at work count as sent", n)
	}
	for i, claim := range claims {
		// A relay that has heard of it sends the next one without waiting for its poll.
		jobs := product.NewJobs(product.NewService(stores[i%len(stores)], c.cache, objectURL, quiet()))
		var owner uuid.UUID
		c.scan(&owner, `SELECT user_id FROM products WHERE id = $1`, claim.ProductID)
		if err := jobs.Settle(t.Context(), claim, ready(claim, digest(1))); err != nil {
			t.Fatal(err)
		}
		want[owner]++
		eventually(t, "the owner's next job is sent", total(4*most+i+1))
		if diff := cmp.Diff(want, count()); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestClaimsOfJobsRace claims through many relays at the same moment.
func TestClaimsOfJobsRace(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 200)
	l, limits := newLine(c), product.JobLimits{PerOwner: 20, Waiting: 1000}
	l.relays(8, limits)
	eventually(t, "the owner has what it may have", func() bool { return len(l.sent()) >= 20 })
	c.pass(product.NewJobRelay(c.store, l, limits, nil, quiet()))
	if n := len(l.sent()); n != 20 {
		t.Errorf("%d jobs in flight, want 20", n)
	}
}

// TestRelaysClaimInTurn has somebody else be at it: a relay waits, since what it
// would count is about to change.
func TestRelaysClaimInTurn(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 2)
	tx, err := c.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	const q = `SELECT pg_backend_pid() FROM pg_advisory_xact_lock(hashtextextended('vitrine job relay ' || current_schema(), 0))`
	var pid int
	if err := tx.QueryRow(q).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	l := newLine(c)
	l.relays(2, freely)
	eventually(t, "both relays wait", func() bool {
		return c.count(`pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, pid) == 2
	})
	if n := c.count("outbox WHERE claim IS NOT NULL"); n != 0 {
		t.Errorf("%d jobs were claimed out of turn", n)
	}
	_ = tx.Rollback()
	eventually(t, "both jobs are sent, once", func() bool { return len(l.sent()) == 2 && c.count("outbox") == 0 })
}

// pass runs a relay for long enough to look whether it finds anything to do.
func (c *catalogue) pass(relay *product.Relay) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	if err := relay.Run(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// TestSettledJobWakesRelay has a backlog go one by one, faster than by polls.
func TestSettledJobWakesRelay(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 10)
	name := "relay-" + uuid.NewString()
	store := producttest.Open(t, c.dsn+"&application_name="+name)
	jobs := product.NewJobs(product.NewService(store, c.cache, objectURL, quiet()))
	l := newLine(c)
	run(t, product.NewJobRelay(store, l, product.JobLimits{PerOwner: 1}, nil, quiet()).Run)
	var waits []time.Duration
	for range 7 {
		claim := l.begin()
		eventually(t, "the relay is at rest", func() bool {
			return c.count(`pg_stat_activity WHERE application_name = $1
				AND (state <> 'idle' OR state_change > clock_timestamp() - interval '100 milliseconds')`, name) == 0
		})
		start := time.Now()
		if err := jobs.Settle(t.Context(), claim, ready(claim, digest(1))); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the next job is sent", func() bool { return len(l.jobs) > 0 })
		waits = append(waits, time.Since(start))
	}
	if slices.Sort(waits); waits[3] > 400*time.Millisecond {
		t.Errorf("the next job was sent after %v", waits)
	}
}

// TestWhatIsNotInFlight shows what makes room for an owner that may have one job
// in flight.
func TestWhatIsNotInFlight(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *catalogue, *line){
		"put off": func(_ *testing.T, c *catalogue, l *line) {
			o := failure(imaging.CodeSourceUnavailable)
			o.Retry, o.RetryIn = true, time.Hour
			c.settle(l.begin(), o)
		},
		"failed": func(_ *testing.T, c *catalogue, l *line) { c.settle(l.begin(), failure(imaging.CodeSourceNotFound)) },
		"deleted": func(t *testing.T, c *catalogue, l *line) {
			claim := l.begin()
			if err := c.Delete(t.Context(), product.Everything(), claim.ProductID, product.Precondition{}); err != nil {
				t.Fatal(err)
			}
		},
		"message lost for long": func(t *testing.T, c *catalogue, l *line) {
			receive(t, l.jobs)
			c.exec(`UPDATE images SET queued_at = now() - interval '6 minutes' WHERE sent`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			c.backlog(c.user, 2)
			l := newLine(c)
			run(t, product.NewJobRelay(c.store, l, product.JobLimits{PerOwner: 1}, nil, quiet()).Run)
			end(t, c, l)
			receive(t, l.jobs)
		})
	}
}

// TestLostJobsAreSentAgain has an owner's only job in flight be lost: once it
// waits in the outbox again it keeps neither itself nor the others back.
func TestLostJobsAreSentAgain(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, *catalogue, *line){
		"message": func(t *testing.T, c *catalogue, l *line) {
			receive(t, l.jobs)
			c.exec(`UPDATE images SET queued_at = now() - interval '31 seconds' WHERE sent`)
		},
		"worker": func(_ *testing.T, c *catalogue, l *line) {
			claim := l.begin()
			c.exec(`UPDATE images SET lease_until = now() - interval '3 seconds', queued_at = now() - interval '31 seconds'
				WHERE id = $1`, claim.ImageID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			c.backlog(c.user, 1)
			l := newLine(c)
			run(t, product.NewJobRelay(c.store, l, product.JobLimits{PerOwner: 1}, nil, quiet()).Run)
			lose(t, c, l)
			eventually(t, "the relay is done with it", func() bool { return c.count("outbox") == 0 })
			c.reconcile(empty)
			claim := l.begin()
			c.backlog(c.user, 1)
			c.settle(claim, ready(claim, digest(1)))
			l.begin()
		})
	}
}

// TestRelayKilledBetweenClaimAndPublish has a process vanish with an owner's jobs:
// they count as in flight as long as they are claimed, and are sent by another
// relay then.
func TestRelayKilledBetweenClaimAndPublish(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.backlog(c.user, 5)
	store := producttest.Open(t, c.dsn)
	ctx, kill := context.WithCancel(t.Context())
	err := product.NewJobRelay(store, publisher(func(context.Context, []product.Message) []error {
		kill()
		return []error{store.Close(), errors.New("killed")} // so nothing is given back
	}), product.JobLimits{PerOwner: 2}, nil, quiet()).Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.count("outbox WHERE claimed_until > now()"); n != 2 {
		t.Fatalf("%d jobs are claimed", n)
	}
	l := newLine(c)
	run(t, product.NewJobRelay(c.store, l, product.JobLimits{PerOwner: 3}, nil, quiet()).Run)
	receive(t, l.jobs)
	c.exec(`UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE claim IS NOT NULL`)
	receive(t, l.jobs)
	receive(t, l.jobs)
	if n := len(l.sent()); n != 3 || c.count("images WHERE sent") != 3 {
		t.Errorf("%d jobs in flight", n)
	}
}

// TestNewcomerDoesNotWait has a picture come while a large backlog of another
// owner is being worked on: only the few jobs that are in the queue by then, or at
// work, are done before it.
func TestNewcomerDoesNotWait(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.backlog(i.user, 1500)
	for range 2 {
		i.replica(2, product.JobLimits{PerOwner: 100})
	}
	eventually(t, "the backlog is being worked on", func() bool { return i.doneFor(i.user) >= 50 })
	newcomer := i.addUser()
	_, err := i.Create(t.Context(), product.NewProduct{UserID: newcomer, Name: "x", Images: []string{source}})
	if err != nil {
		t.Fatal(err)
	}
	before := i.doneFor(i.user)
	eventually(t, "the newcomer's picture is done", func() bool { return i.doneFor(newcomer) == 1 })
	i.mu.Lock()
	behind := slices.Index(i.done, newcomer) - before
	i.mu.Unlock()
	t.Logf("%d jobs of 1500 were done before", behind)
	// 32 wait, 4 are at work, and some are done while the relay takes notice.
	if behind > 100 {
		t.Errorf("%d jobs were done before the newcomer's", behind)
	}
}

// TestFewJobsWait has the relays of two replicas send a backlog that nobody works
// on: most of it stays in the outbox.
func TestFewJobsWait(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.backlog(i.user, 300)
	i.backlog(i.addUser(), 300)
	limits := product.JobLimits{PerOwner: 100}
	for range 2 {
		i.replica(0, limits)
	}
	eventually(t, "jobs are sent", func() bool { return i.count("outbox") <= 600-32 })
	broker := i.broker(0, i.jobs)
	eventually(t, "there is a session", func() bool { return broker.Check(t.Context()) == nil })
	i.pass(product.NewJobRelay(i.store, sender{broker}, limits, nil, quiet()))
	if n := 600 - i.count("outbox"); n != 32 {
		t.Errorf("%d jobs were sent, want 32", n)
	}
	var most int
	i.scan(&most, `SELECT max(n) FROM (SELECT count(*) AS n FROM images JOIN products ON products.id = product_id WHERE sent GROUP BY user_id) AS owners`)
	if most != 16 {
		t.Errorf("one of two owners has %d of 32", most)
	}
}

// TestJobsOfAnEarlierRelease has a database of the last release brought up to
// date with jobs in its outbox: they go by turns of their owners as well.
func TestJobsOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.exec(`ALTER TABLE outbox DROP COLUMN owner, DROP COLUMN in_line; ALTER TABLE images DROP COLUMN sent`)
	other := c.addUser()
	c.backlog(c.user, 40)
	c.backlog(other, 1)
	c.exec(`INSERT INTO outbox (kind, subject, payload) SELECT 'image_job', id, '{"image_id": "` + uuid.NewString() +
		`", "generation": 1}' FROM gen_random_uuid() AS id`) // of a product that was deleted
	if err := product.Migrate(t.Context(), c.dsn, producttest.Schema(t)+"\n-- again"); err != nil {
		t.Fatal(err)
	}
	l := newLine(c)
	run(t, product.NewJobRelay(c.store, publisher(func(ctx context.Context, messages []product.Message) []error {
		if errs := l.Publish(ctx, messages); !errors.Is(errors.Join(errs...), sql.ErrNoRows) {
			return errs
		}
		return make([]error, len(messages))
	}), freely, nil, quiet()).Run)
	eventually(t, "all jobs are sent", func() bool { return c.count("outbox") == 0 && len(l.sent()) == 41 })
	if at := slices.Index(l.sent(), other); at > 2 {
		t.Errorf("the other owner's job was number %d", at+1)
	}
}
