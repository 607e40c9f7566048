package outbox_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product/outbox"
)

// TestOwnersTakeTurns shows the order in which backlogs are sent: the owner with the fewest
// jobs in flight is next, and an owner's oldest job comes first.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	owners := []int64{c.User, c.AddUser(), c.AddUser()}
	for i, n := range []int{60, 3, 1} { // as they came
		c.AddBacklog(owners[i], n)
	}
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	testenv.Eventually(t, "all jobs are sent", func() bool { return len(l.Owners()) == 64 })
	sent := l.Owners()
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
	c := testenv.New(t)
	c.AddBacklog(c.User, 150)
	c.Exec(`UPDATE outbox SET available_at = now() - interval '1 hour' + (id * 7919 % 151) * interval '1 second'`)
	var want []uuid.UUID
	rows, err := c.DB.Query(`SELECT subject FROM outbox ORDER BY available_at`)
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
	l := testenv.NewJobSink(c)
	l.RunRelays(1, testenv.Unlimited)
	var got []uuid.UUID
	for range want {
		got = append(got, testenv.Receive(t, "a value", l.Jobs).ImageID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManyOwnersTakeTurns has more owners than are weighed at once: each has its
// first job sent before anybody has many.
func TestManyOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.AddBacklog(c.User, 400)
	newcomers := make(map[int64]bool)
	for range 90 {
		user := c.AddUser()
		newcomers[user] = true
		c.AddBacklog(user, 2)
	}
	l := testenv.NewJobSink(c)
	l.RunRelays(2, outbox.Limits{PerOwner: 1000, Waiting: 1000})
	testenv.Eventually(t, "all jobs are sent", func() bool { return len(l.Owners()) == 580 })
	for _, owner := range l.Owners()[:400] {
		delete(newcomers, owner)
	}
	if len(newcomers) != 0 {
		t.Errorf("%d of 90 owners had no job among the first 400", len(newcomers))
	}
}
