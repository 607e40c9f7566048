package maintenance_test

import (
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product/outbox"
	"vitrine/queue"
)

// TestQueueWiped has the broker lose its queue and a thousand jobs: whichever
// replica is the first to miss it, they are all in the new queue long before a
// message counts as lost by its age.
func TestQueueWiped(t *testing.T) {
	t.Parallel()
	i := testenv.NewInstallation(t)
	var brokers []*queue.Broker
	for range 2 {
		brokers = append(brokers, i.RunReplica(0, testenv.Unlimited))
	}
	const jobs = 1000
	inQueue := func(sent string) bool {
		depth, err := brokers[0].Depth(t.Context())
		return err == nil && depth >= jobs && i.Count("outbox") == 0 &&
			i.Count("images WHERE queued_at > cast($1 AS timestamptz)", sent) == jobs
	}
	i.AddBacklog(i.User, jobs)
	testenv.Eventually(t, "all jobs are in the queue", func() bool { return inQueue("-infinity") })
	var wiped string
	i.Scan(&wiped, `SELECT clock_timestamp()`)
	start := time.Now()
	i.DeleteQueue("images")
	testenv.Eventually(t, "all jobs are in the new queue", func() bool { return inQueue(wiped) })
	t.Logf("%d jobs were in the new queue after %s", jobs, time.Since(start))
}

// TestQueueWipedAtWork has the broker lose its queue while workers are at a
// backlog, most of which waits in the outbox. The few jobs that were lost count
// against their owner only until they are sent again.
func TestQueueWipedAtWork(t *testing.T) {
	t.Parallel()
	i := testenv.NewInstallation(t)
	const jobs = 300
	i.AddBacklog(i.User, jobs)
	for range 2 {
		i.RunReplica(2, outbox.Limits{PerOwner: 16})
	}
	testenv.Eventually(t, "work goes on", func() bool { return i.FinishedFor(i.User) >= 50 })
	start := time.Now()
	i.DeleteQueue("images")
	testenv.Eventually(t, "all pictures are ready", func() bool { return i.Count("images WHERE status = 'ready'") == jobs })
	t.Logf("the rest of %d jobs was done after %s", jobs, time.Since(start))
}
