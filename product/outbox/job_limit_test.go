package outbox_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/outbox"
)

// TestOwnersLimitHolds has the relays of several replicas race for the jobs of
// several owners: none ever has more in flight than is allowed, and each gets what
// is, when its jobs are sent, at work and done.
func TestOwnersLimitHolds(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	const most, backlog = 3, 12
	want := make(map[int64]int)
	for _, owner := range []int64{c.User, c.AddUser(), c.AddUser(), c.AddUser()} {
		c.AddBacklog(owner, backlog)
		want[owner] = most
	}
	l := testenv.NewJobSink(c)
	stores := l.RunRelays(4, outbox.Limits{PerOwner: most, Waiting: 1000})
	count := func() map[int64]int {
		n := make(map[int64]int)
		for _, owner := range l.Owners() {
			n[owner]++
		}
		return n
	}
	total := func(n int) func() bool { return func() bool { return len(l.Owners()) >= n } }
	testenv.Eventually(t, "every owner has what it may have", total(4*most))
	claims := make([]imaging.Claim, 4*most)
	for i := range claims {
		claims[i] = l.ClaimNext() // at work they count as before
	}
	if n := c.Count("images WHERE sent"); n != 0 {
		t.Errorf("%d images at work count as sent", n)
	}
	for i, claim := range claims {
		// A relay that has heard of it sends the next one without waiting for its poll.
		jobs := testenv.NewReplica(stores[i%len(stores)], c.Cache).Jobs
		var owner int64
		c.Scan(&owner, `SELECT user_id FROM products WHERE id = $1`, claim.ProductID)
		if err := jobs.Settle(t.Context(), claim, testenv.ReadyOutcome(claim, testenv.Digest(1))); err != nil {
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
	c := testenv.New(t)
	c.AddBacklog(c.User, 200)
	l, limits := testenv.NewJobSink(c), outbox.Limits{PerOwner: 20, Waiting: 1000}
	l.RunRelays(8, limits)
	testenv.Eventually(t, "the owner has what it may have", func() bool { return len(l.Owners()) >= 20 })
	pass(c, outbox.NewJobRelay(c.Outbox, l, limits, nil, testenv.Quiet()))
	if n := len(l.Owners()); n != 20 {
		t.Errorf("%d jobs in flight, want 20", n)
	}
}

// TestRelaysClaimInTurn has somebody else be at it: a relay waits, since what it
// would count is about to change.
func TestRelaysClaimInTurn(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddBacklog(c.User, 2)
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	const q = `SELECT pg_backend_pid() FROM pg_advisory_xact_lock(hashtextextended('vitrine job relay ' || current_schema(), 0))`
	var pid int
	if err := tx.QueryRow(q).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	l := testenv.NewJobSink(c)
	l.RunRelays(2, testenv.Unlimited)
	testenv.Eventually(t, "both relays wait", func() bool {
		return c.Count(`pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, pid) == 2
	})
	if n := c.Count("outbox WHERE claim IS NOT NULL"); n != 0 {
		t.Errorf("%d jobs were claimed out of turn", n)
	}
	_ = tx.Rollback()
	testenv.Eventually(t, "both jobs are sent, once", func() bool { return len(l.Owners()) == 2 && c.Count("outbox") == 0 })
}

// pass runs a relay for long enough to look whether it finds anything to do.
func pass(c *testenv.Environment, relay *outbox.Relay) {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), time.Second)
	defer cancel()
	if err := relay.Run(ctx); err != nil {
		c.T.Fatal(err)
	}
}

// TestSettledJobWakesRelay has a backlog go one by one, faster than by polls.
func TestSettledJobWakesRelay(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddBacklog(c.User, 10)
	name := "relay-" + uuid.NewString()
	store := testenv.Open(t, c.DSN+"&application_name="+name)
	process := testenv.NewReplica(store, c.Cache)
	jobs := process.Jobs
	l := testenv.NewJobSink(c)
	testenv.Run(t, outbox.NewJobRelay(process.Outbox, l, outbox.Limits{PerOwner: 1}, nil, testenv.Quiet()).Run)
	var waits []time.Duration
	for range 7 {
		claim := l.ClaimNext()
		testenv.Eventually(t, "the relay is at rest", func() bool {
			return c.Count(`pg_stat_activity WHERE application_name = $1
				AND (state <> 'idle' OR state_change > clock_timestamp() - interval '100 milliseconds')`, name) == 0
		})
		start := time.Now()
		if err := jobs.Settle(t.Context(), claim, testenv.ReadyOutcome(claim, testenv.Digest(1))); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "the next job is sent", func() bool { return len(l.Jobs) > 0 })
		waits = append(waits, time.Since(start))
	}
	if slices.Sort(waits); waits[3] > 400*time.Millisecond {
		t.Errorf("the next job was sent after %v", waits)
	}
}
