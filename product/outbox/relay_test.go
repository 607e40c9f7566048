package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
)

// relay runs a relay of image jobs whose handler is f.
func relay(c *testenv.Environment, wake <-chan struct{}, f outbox.RowHandler) {
	c.T.Helper()
	testenv.Run(c.T, outbox.NewRelay(c.Outbox, outbox.KindImageJob, 100, f, wake, testenv.Quiet()).Run)
}

func TestRelayDoesRowsOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	sources := slices.Repeat([]string{testenv.Source}, 20)
	var want []uuid.UUID
	for range 15 { // more than two batches
		want = append(want, testenv.ImageIDs(c.NewProduct(sources...).Images)...)
	}
	var mu sync.Mutex
	seen := make(map[uuid.UUID]int)
	total := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	for range 2 {
		store := testenv.Open(t, c.DSN) // a replica of its own
		testenv.Run(t, outbox.NewRelay(outbox.New(store), outbox.KindImageJob, 100, func(_ context.Context, rows []outbox.Claimed) []error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range rows {
				seen[r.Subject]++
			}
			return make([]error, len(rows))
		}, nil, testenv.Quiet()).Run)
	}
	testenv.Eventually(t, "all rows are done", func() bool { return total() == len(want) && c.Count("outbox") == 0 })
	mu.Lock()
	defer mu.Unlock()
	for _, id := range want {
		if seen[id] != 1 {
			t.Errorf("image %s was handled %d times", id, seen[id])
		}
	}
}

func TestRelayRepeatsFailures(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source)
	bad := w.Images[1].ID
	tries := make(chan outbox.Claimed, 10)
	relay(c, nil, func(_ context.Context, rows []outbox.Claimed) []error {
		errs := make([]error, len(rows))
		for i, r := range rows {
			if r.Subject == bad {
				tries <- r
				if r.Attempts < 2 {
					errs[i] = testenv.ErrDown
				}
			}
		}
		return errs
	})
	var times []time.Time
	for n := range 3 {
		if r := testenv.Receive(t, "a value", tries); r.Attempts != n {
			t.Errorf("attempts %d, want %d", r.Attempts, n)
		}
		times = append(times, time.Now())
	}
	// At least half of 1 s, then of 2 s.
	if a, b := times[1].Sub(times[0]), times[2].Sub(times[1]); a < 450*time.Millisecond || b < 900*time.Millisecond {
		t.Errorf("repeated after %s and %s", a, b)
	}
	testenv.Eventually(t, "all rows are done", func() bool { return c.Count("outbox") == 0 })
}

func TestRelayKeepsRowsOfBadHandlers(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]outbox.RowHandler{
		"panic":           func(context.Context, []outbox.Claimed) []error { panic("no") },
		"too few results": func(context.Context, []outbox.Claimed) []error { return nil },
		"failure": func(_ context.Context, rows []outbox.Claimed) []error {
			return slices.Repeat([]error{testenv.ErrDown}, len(rows))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			c.NewProduct(testenv.Source, testenv.Source)
			relay(c, nil, f)
			testenv.Eventually(t, "both rows were tried and released", func() bool {
				return c.Count("outbox WHERE attempts > 0 AND claim IS NULL AND available_at > created_at") == 2
			})
		})
	}
}

// TestRelayLogsAnOutageOnce has a dependency fail for several passes.
func TestRelayLogsAnOutageOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.NewProduct(testenv.Source)
	var log bytes.Buffer
	logger := testenv.Quiet()
	logger.SetOutput(&log)
	down := 4
	relay := outbox.NewRelay(c.Outbox, outbox.KindImageJob, 100, func(_ context.Context, rows []outbox.Claimed) []error {
		c.Exec(`UPDATE outbox SET attempts = 0`) // or the row waits longer each time
		if down--; down >= 0 {
			return []error{testenv.ErrDown}
		}
		return make([]error, len(rows))
	}, nil, logger)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	testenv.Eventually(t, "the row is done", func() bool { return c.Count("outbox") == 0 })
	cancel()
	if err := testenv.Receive(t, "a value", done); err != nil {
		t.Fatal(err)
	}
	if held, on := strings.Count(log.String(), "Outbox relay failed"), strings.Count(log.String(), "Outbox relay recovered"); held != 1 || on > 1 {
		t.Errorf("%d, %d: %s", held, on, &log)
	}
}

func TestRelayGivesBackWhenStopped(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.NewProduct(testenv.Source, testenv.Source)
	ctx, cancel := context.WithCancel(t.Context())
	relay := outbox.NewRelay(c.Outbox, outbox.KindImageJob, 100, func(ctx context.Context, _ []outbox.Claimed) []error {
		cancel()
		<-ctx.Done()
		return []error{nil, ctx.Err()}
	}, nil, testenv.Quiet())
	if err := relay.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("outbox WHERE attempts = 0 AND claim IS NULL AND available_at <= clock_timestamp()"); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d of %d rows are due", n, c.Count("outbox"))
	}
}

func TestRelayLeavesForeignClaimsAndFutureRows(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source)
	c.Exec(`UPDATE outbox SET claim = gen_random_uuid(), claimed_until = now() + interval '1 minute' WHERE subject = $1`, w.Images[0].ID)
	c.Exec(`UPDATE outbox SET available_at = now() + interval '1 minute' WHERE subject = $1`, w.Images[1].ID)
	seen := make(chan uuid.UUID, 10)
	relay(c, nil, func(_ context.Context, rows []outbox.Claimed) []error {
		for _, r := range rows {
			seen <- r.Subject
		}
		return make([]error, len(rows))
	})
	if got := testenv.Receive(t, "a value", seen); got != w.Images[2].ID {
		t.Errorf("%s, want %s", got, w.Images[2].ID)
	}
	testenv.Eventually(t, "the row is done", func() bool { return c.Count("outbox") == 2 })
	// A claim whose relay vanished ends.
	c.Exec(`UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE subject = $1`, w.Images[0].ID)
	if got := testenv.Receive(t, "a value", seen); got != w.Images[0].ID {
		t.Errorf("%s, want %s", got, w.Images[0].ID)
	}
	if len(seen) != 0 {
		t.Errorf("%d more rows", len(seen))
	}
}

// TestLateFinishChangesNothing has a handler outlive its claim.
func TestLateFinishChangesNothing(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.NewProduct(testenv.Source)
	handled := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	relay := outbox.NewRelay(c.Outbox, outbox.KindImageJob, 100, func(_ context.Context, rows []outbox.Claimed) []error {
		c.Exec(`UPDATE outbox SET claim = gen_random_uuid()`) // somebody else has it
		close(handled)
		cancel()
		return make([]error, len(rows))
	}, nil, testenv.Quiet())
	if err := relay.Run(ctx); err != nil {
		t.Fatal(err)
	}
	testenv.Receive(t, "a value", handled)
	if n := c.Count("outbox WHERE claim IS NOT NULL"); n != 1 {
		t.Errorf("%d rows are left", n)
	}
}

func TestListenerWakesRelay(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	listener := postgres.NewListener(c.DSN, testenv.Quiet())
	wakes := map[outbox.Kind]<-chan struct{}{}
	for _, kind := range []outbox.Kind{outbox.KindImageJob, outbox.KindDeleteObjects} {
		wakes[kind] = listener.Wake(outbox.Channel, string(kind))
	}
	testenv.Run(t, listener.Run)
	for kind, write := range map[outbox.Kind]func(){
		outbox.KindImageJob: func() { c.NewProduct(testenv.Source) },
		outbox.KindDeleteObjects: func() {
			w := c.NewProduct(testenv.Source)
			c.Exec(`UPDATE images SET source_sha256 = $1 WHERE id = $2`, testenv.Digest(1), w.Images[0].ID)
			if err := c.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		// Other tests notify on the same channel, so what is shown is that
		// word arrives; until the first one it may not be listening yet.
		woken := false
		testenv.Eventually(t, "word of "+string(kind)+" arrives", func() bool {
			write()
			select {
			case <-wakes[kind]:
				woken = true
			default:
			}
			return woken
		})
	}
}

// TestRelayHearsAtOnce shows that a row does not wait for the poll.
func TestRelayHearsAtOnce(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	wake, seen := make(chan struct{}, 1), make(chan time.Time, 10)
	relay(c, wake, func(_ context.Context, rows []outbox.Claimed) []error {
		seen <- time.Now()
		return make([]error, len(rows))
	})
	quickest := time.Hour
	for range 5 { // a poll once a second is this quick by chance one time in many
		start := time.Now()
		c.NewProduct(testenv.Source)
		wake <- struct{}{}
		quickest = min(quickest, testenv.Receive(t, "a value", seen).Sub(start))
	}
	if quickest > 100*time.Millisecond {
		t.Errorf("%s at best", quickest)
	}
}

type publisher func(ctx context.Context, messages []outbox.Message) []error

func (p publisher) Publish(ctx context.Context, messages []outbox.Message) []error {
	return p(ctx, messages)
}

func (publisher) Depth(context.Context) (int, error)     { return 0, nil }
func (publisher) Consumers(context.Context) (int, error) { return 1, nil }

func TestJobRelay(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	ctx := product.WithRequestID(t.Context(), "r-7")
	s, err := c.Create(ctx, product.NewProduct{UserID: c.User, Name: "x", Images: []string{testenv.Source, testenv.Source}})
	if err != nil {
		t.Fatal(err)
	}
	images := testenv.Decode(t, s.Data).Images
	c.Exec(`UPDATE images SET queued_at = now() - interval '1 hour'`)
	sent := make(chan outbox.Message, 10)
	testenv.Run(t, outbox.NewJobRelay(c.Outbox, publisher(func(_ context.Context, messages []outbox.Message) []error {
		errs := make([]error, len(messages))
		for i, m := range messages {
			job, err := imaging.DecodeJob(m.Body)
			if err != nil {
				t.Error(err)
			}
			if job.ImageID == images[1].ID {
				errs[i] = testenv.ErrDown
				continue
			}
			sent <- m
		}
		return errs
	}), testenv.Unlimited, nil, testenv.Quiet()).Run)
	m := testenv.Receive(t, "a value", sent)
	got, err := imaging.DecodeJob(m.Body)
	if err != nil || m.ID == "" {
		t.Fatalf("%+v, %v", m, err)
	}
	if diff := cmp.Diff(imaging.Job{ImageID: images[0].ID, Generation: 1, RequestID: "r-7"}, got); diff != "" {
		t.Error(diff)
	}
	testenv.Eventually(t, "one row is left", func() bool { return c.Count("outbox WHERE attempts > 0") == 1 && c.Count("outbox") == 1 })
	if n := c.Count("images WHERE id = $1 AND queued_at > now() - interval '1 minute'", images[0].ID); n != 1 {
		t.Error("the time of sending was not noted")
	}
	if n := c.Count("outbox WHERE in_queue"); n != 0 {
		t.Error("a job whose time is to come stands in line")
	}
}

func TestKindsFlowIndependently(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source)
	c.Exec(`INSERT INTO outbox (kind, subject, payload) VALUES ('invalidate', $1, $2)`, c.ObjectKey(w.ID), fmt.Sprintf(`{"product_id":%d}`, w.ID))
	testenv.Run(t, outbox.NewJobRelay(c.Outbox, publisher(func(_ context.Context, messages []outbox.Message) []error {
		return slices.Repeat([]error{testenv.ErrDown}, len(messages))
	}), testenv.Unlimited, nil, testenv.Quiet()).Run)
	testenv.Run(t, outbox.NewInvalidationRelay(c.Outbox, c.Cache, nil, testenv.Quiet()).Run)
	testenv.Eventually(t, "the invalidation is done", func() bool { return c.Count("outbox WHERE kind = 'invalidate'") == 0 })
	if n := c.Count("outbox WHERE kind = 'image_job'"); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestOutboxStats(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.NewProduct(testenv.Source, testenv.Source, testenv.Source)
	c.Exec(`UPDATE outbox SET available_at = now() - interval '90 seconds' WHERE id = (SELECT min(id) FROM outbox)`)
	c.Exec(`UPDATE outbox SET available_at = now() + interval '90 seconds' WHERE id = (SELECT max(id) FROM outbox)`)
	stats, err := c.Outbox.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if age := stats[0].OldestDue; age < 90*time.Second || age > 100*time.Second {
		t.Errorf("the oldest is due for %s", age)
	}
	stats[0].OldestDue = 0
	want := []outbox.Stat{{Kind: "image_job", Rows: 3}, {Kind: "image_reprocess"}, {Kind: "delete_objects"}, {Kind: "invalidate"}}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Error(diff)
	}
}
