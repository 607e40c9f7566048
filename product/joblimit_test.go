package product_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// TestOwnersLimitHolds has the relays of several replicas race for the jobs of
// several owners: none ever has more in flight than is allowed, and each gets what
// is, when its jobs are sent, at work and done.
func TestOwnersLimitHolds(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	const most, backlog = 3, 12
	want := make(map[int64]int)
	for _, owner := range []int64{c.user, c.addUser(), c.addUser(), c.addUser()} {
		c.backlog(owner, backlog)
		want[owner] = most
	}
	l := newLine(c)
	stores := l.relays(4, product.JobLimits{PerOwner: most, Waiting: 1000})
	count := func() map[int64]int {
		n := make(map[int64]int)
		for _, owner := range l.sent() {
			n[owner]++
		}
		return n
	}
	total := func(n int) func() bool { return func() bool { return len(l.sent()) >= n } }
	testenv.Eventually(t, "every owner has what it may have", total(4*most))
	claims := make([]imaging.Claim, 4*most)
	for i := range claims {
		claims[i] = l.begin() // at work they count as before
	}
	if n := c.count("images WHERE sent"); n != 0 {
		t.Errorf("%d images at work count as sent", n)
	}
	for i, claim := range claims {
		// A relay that has heard of it sends the next one without waiting for its poll.
		jobs := newReplica(stores[i%len(stores)], c.cache).jobs
		var owner int64
		c.scan(&owner, `SELECT user_id FROM products WHERE id = $1`, claim.ProductID)
		if err := jobs.Settle(t.Context(), claim, ready(claim, digest(1))); err != nil {
			t.Fatal(err)
		}
		want[owner]++
		testenv.Eventually(t, "the owner's next job is sent", total(4*most+i+1))
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
	testenv.Eventually(t, "the owner has what it may have", func() bool { return len(l.sent()) >= 20 })
	c.pass(product.NewJobRelay(c.outbox, l, limits, nil, testenv.Quiet()))
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
	testenv.Eventually(t, "both relays wait", func() bool {
		return c.count(`pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, pid) == 2
	})
	if n := c.count("outbox WHERE claim IS NOT NULL"); n != 0 {
		t.Errorf("%d jobs were claimed out of turn", n)
	}
	_ = tx.Rollback()
	testenv.Eventually(t, "both jobs are sent, once", func() bool { return len(l.sent()) == 2 && c.count("outbox") == 0 })
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
	jobs := newReplica(store, c.cache).jobs
	l := newLine(c)
	testenv.Run(t, product.NewJobRelay(product.NewOutbox(store), l, product.JobLimits{PerOwner: 1}, nil, testenv.Quiet()).Run)
	var waits []time.Duration
	for range 7 {
		claim := l.begin()
		testenv.Eventually(t, "the relay is at rest", func() bool {
			return c.count(`pg_stat_activity WHERE application_name = $1
				AND (state <> 'idle' OR state_change > clock_timestamp() - interval '100 milliseconds')`, name) == 0
		})
		start := time.Now()
		if err := jobs.Settle(t.Context(), claim, ready(claim, digest(1))); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "the next job is sent", func() bool { return len(l.jobs) > 0 })
		waits = append(waits, time.Since(start))
	}
	if slices.Sort(waits); waits[3] > 400*time.Millisecond {
		t.Errorf("the next job was sent after %v", waits)
	}
}
