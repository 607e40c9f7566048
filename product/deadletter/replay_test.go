package deadletter_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/deadletter"
)

// startReplay begins a replay of everything unless something else is asked for.
func startReplay(c *testenv.Environment, q deadletter.ReplayRequest) deadletter.Replay {
	c.T.Helper()
	q.All = q.DeadLetter == nil && q.Fingerprint == nil
	if q.Rate == 0 {
		q.Rate = 1000
	}
	r, err := c.DeadLetters.StartReplay(c.T.Context(), q)
	if err != nil {
		c.T.Fatal(err)
	}
	return r
}

func replay(c *testenv.Environment, id uuid.UUID) deadletter.Replay {
	c.T.Helper()
	r, err := c.DeadLetters.Replay(c.T.Context(), id)
	if err != nil {
		c.T.Fatal(err)
	}
	return r
}

// step does the next step of the only replay without waiting for it, and returns the
// progress.
func step(c *testenv.Environment, id uuid.UUID) deadletter.Replay {
	c.T.Helper()
	c.Exec(`UPDATE dead_letter_replays SET due_at = now()`)
	if did, err := deadletter.NewReplayer(c.DeadLetters).Step(c.T.Context()); err != nil || !did {
		c.T.Fatal(did, err)
	}
	return replay(c, id)
}

func failed(c *testenv.Environment, n int) testenv.Product {
	c.T.Helper()
	w := c.NewProduct(slices.Repeat([]string{testenv.Source}, n)...)
	c.FailImages(imaging.CodeSourceUnavailable, w.Images...)
	c.Exec(`DELETE FROM outbox`)
	return c.Product(w.ID)
}

// finishWork ends the pending images of a product in one way.
func finishWork(c *testenv.Environment, id int64, outcome func(imaging.Claim) imaging.Outcome) {
	c.T.Helper()
	for _, image := range c.Product(id).Images {
		if image.Status == "pending" {
			claim := c.ClaimSecondGeneration(image.ID)
			c.Settle(claim, outcome(claim))
		}
	}
}

func well(claim imaging.Claim) imaging.Outcome { return testenv.ReadyOutcome(claim, testenv.Digest(1)) }
func badly(imaging.Claim) imaging.Outcome      { return testenv.FailedOutcome(imaging.CodeSourceNotFound) }

func TestReplayOne(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := failed(c, 3)
	var letter uuid.UUID
	c.Scan(&letter, `SELECT id FROM dead_letters WHERE image_id = $1`, w.Images[1].ID)
	ctx := product.WithRequestID(t.Context(), "r-replay")
	r, err := c.DeadLetters.StartReplay(ctx, deadletter.ReplayRequest{DeadLetter: &letter, Rate: 10})
	if err != nil || r.Total != 1 || r.State != deadletter.ReplayRunning || *r.DeadLetter != letter || r.FinishedAt != nil {
		t.Fatal(r, err)
	}
	r = step(c, r.ID)
	if r.State != deadletter.ReplayDone || r.FinishedAt == nil || r.Reason != nil {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(deadletter.ReplayCount{Replayed: 1}, r.ReplayCount); diff != "" {
		t.Error(diff)
	}
	got := c.Product(w.ID) // from the cache or not
	if got.Version != w.Version+1 || got.Images[0].Status != "failed" || got.Images[1].Status != "pending" || got.ImageStatus != "pending" {
		t.Errorf("%+v", got)
	}
	if n := c.Count("outbox WHERE subject = $1 AND request_id = 'r-replay'", w.Images[1].ID); n != 1 || c.Count("outbox") != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := c.Count("dead_letters WHERE replayed_at IS NOT NULL"); n != 1 {
		t.Errorf("%d dead letters are marked", n)
	}

	// It is not replayed twice, also when the image has failed again: that failure
	// has a letter of its own.
	c.Settle(c.ClaimSecondGeneration(w.Images[1].ID), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	r = startReplay(c, deadletter.ReplayRequest{DeadLetter: &letter})
	if r = step(c, r.ID); r.State != deadletter.ReplayDone || r.ReplayCount != (deadletter.ReplayCount{Changed: 1}) {
		t.Errorf("%+v", r)
	}
}

func TestReplaySelection(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct(testenv.Source, testenv.Source, testenv.Source, "https://b.example/1")
	c.FailImages(imaging.CodeSourceNotFound, w.Images...)
	c.Exec(`UPDATE dead_letters SET replayed_at = now() WHERE image_id = $1`, w.Images[0].ID)
	group := deadletter.ReplayRequest{Fingerprint: new("source_not_found|fetch|a.example")}
	if r := startReplay(c, group); r.Total != 2 || *r.Fingerprint != *group.Fingerprint || r.DeadLetter != nil {
		t.Errorf("%+v", r)
	}
	if r := startReplay(c, deadletter.ReplayRequest{}); r.Total != 3 {
		t.Errorf("%+v", r)
	}
	if r := startReplay(c, deadletter.ReplayRequest{Fingerprint: new("none")}); r.Total != 0 {
		t.Errorf("%+v", r)
	}
	c.Exec(`DELETE FROM dead_letter_replays`)
	r := startReplay(c, group)
	if r = step(c, r.ID); r.State != deadletter.ReplayDone || r.Replayed != 2 {
		t.Errorf("%+v", r)
	}
	if got := c.Product(w.ID); got.Images[0].Status != "failed" || got.Images[3].Status != "failed" || got.Images[2].Status != "pending" {
		t.Errorf("%+v", got.Images)
	}
}

func TestReplayRefusesBadRequests(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	id := uuid.New()
	for name, test := range map[string]struct {
		q      deadletter.ReplayRequest
		fields []string
	}{
		"nothing":             {deadletter.ReplayRequest{Rate: 1}, []string{""}},
		"two":                 {deadletter.ReplayRequest{DeadLetter: &id, All: true, Rate: 1}, []string{""}},
		"three":               {deadletter.ReplayRequest{DeadLetter: &id, All: true, Fingerprint: new("x"), Rate: 1}, []string{""}},
		"bounds":              {deadletter.ReplayRequest{All: true, Canary: 101, Rate: 1001}, []string{"canary", "rate"}},
		"other bounds":        {deadletter.ReplayRequest{All: true, Canary: -1}, []string{"canary", "rate"}},
		"no fingerprint":      {deadletter.ReplayRequest{Fingerprint: new(" "), Rate: 1}, []string{"fingerprint"}},
		"too long":            {deadletter.ReplayRequest{Fingerprint: new(strings.Repeat("x", 3000)), Rate: 1}, []string{"fingerprint"}},
		"unknown dead letter": {deadletter.ReplayRequest{DeadLetter: &id, Rate: 1}, []string{"id"}},
	} {
		t.Log(name)
		_, err := c.DeadLetters.StartReplay(t.Context(), test.q)
		testenv.WantFields(t, err, test.fields...)
	}
	if n := c.Count("dead_letter_replays"); n != 0 {
		t.Errorf("%d replays", n)
	}
	_, err := c.DeadLetters.Replay(t.Context(), id)
	testenv.WantErr(t, err, product.ErrNotFound)
}

func TestReplaySkips(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.FileDeadLetter([]byte("no job"), "rejected")
	w := failed(c, 4)
	c.FileDeadLetter([]byte("no job either"), "rejected")
	r := startReplay(c, deadletter.ReplayRequest{Canary: 1})
	if r.Total != 6 {
		t.Errorf("%+v", r)
	}
	// One was retried by hand, one was deleted.
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, w.Images[0].ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.Exec(`UPDATE dead_letters SET replayed_at = NULL`) // as if it had just been selected
	c.Exec(`DELETE FROM images WHERE id = $1`, w.Images[1].ID)
	for range 3 { // what is skipped is no canary
		r = step(c, r.ID)
	}
	if want := (deadletter.ReplayCount{Replayed: 1, Unreadable: 1, Changed: 1}); r.ReplayCount != want || r.Canaries.Waiting != 1 {
		t.Errorf("%+v", r)
	}
	finishWorkOf(c, w.Images[2].ID)
	r = step(c, r.ID)
	if want := (deadletter.ReplayCount{Replayed: 2, Unreadable: 2, Changed: 1}); r.ReplayCount != want || r.State != deadletter.ReplayDone {
		t.Errorf("%+v", r)
	}
}

func finishWorkOf(c *testenv.Environment, image uuid.UUID) {
	c.T.Helper()
	claim := c.ClaimSecondGeneration(image)
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
}

func TestReplayAtARate(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 7)
	r := startReplay(c, deadletter.ReplayRequest{Rate: 3})
	var replayed []int64
	for r.State == deadletter.ReplayRunning {
		r = step(c, r.ID)
		replayed = append(replayed, r.Replayed)
	}
	if diff := cmp.Diff([]int64{3, 6, 7}, replayed); diff != "" {
		t.Error(diff)
	}
	// A step is due a second after the previous one, in any replica.
	failed(c, 2)
	startReplay(c, deadletter.ReplayRequest{Rate: 1})
	replayers := []*deadletter.Replayer{deadletter.NewReplayer(c.DeadLetters), deadletter.NewReplayer(c.DeadLetters)}
	var done int
	for i := range 4 {
		did, err := replayers[i%2].Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if did {
			done++
		}
	}
	if n := c.Count(`dead_letter_replays WHERE state = 'running' AND due_at BETWEEN clock_timestamp() - interval '1 minute'
		AND clock_timestamp() + interval '1 second'`); n != 1 || done == 0 || done == 4 {
		t.Errorf("%d steps at once", done)
	}
}

func TestReplayWithGoodCanaries(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := failed(c, 5)
	r := startReplay(c, deadletter.ReplayRequest{Canary: 2})
	for range 3 { // while the canaries are at it, nothing else is begun
		if r = step(c, r.ID); r.Replayed != 2 || r.State != deadletter.ReplayRunning || r.Canaries != (deadletter.CanaryCount{Waiting: 2}) {
			t.Fatalf("%+v", r)
		}
	}
	// A canary that is deleted says nothing: another one takes its place.
	urls := []string{testenv.Source, testenv.Source, testenv.Source, testenv.Source}
	if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &urls}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.Exec(`DELETE FROM images WHERE id = (SELECT image_id FROM dead_letter_canaries ORDER BY image_id LIMIT 1)`)
	if r = step(c, r.ID); r.Replayed != 3 || r.Canaries != (deadletter.CanaryCount{Waiting: 2}) {
		t.Fatalf("%+v", r)
	}
	finishWork(c, w.ID, well)
	if r = step(c, r.ID); r.Replayed != 4 || r.State != deadletter.ReplayDone || r.Canaries != (deadletter.CanaryCount{Ready: 2}) {
		t.Errorf("%+v", r)
	}
}

func TestReplayWithBadCanary(t *testing.T) {
	t.Parallel()
	for name, retry := range map[string]bool{"failed": false, "failed and retried by hand": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := failed(c, 5)
			r := startReplay(c, deadletter.ReplayRequest{Canary: 2})
			r = step(c, r.ID)
			var canary uuid.UUID
			c.Scan(&canary, `SELECT image_id FROM dead_letter_canaries ORDER BY image_id DESC LIMIT 1`)
			c.Settle(c.ClaimSecondGeneration(canary), testenv.FailedOutcome(imaging.CodeSourceNotFound))
			if retry {
				if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, canary, product.Precondition{}); err != nil {
					t.Fatal(err)
				}
			}
			r = step(c, r.ID)
			if r.State != deadletter.ReplayStopped || r.Replayed != 2 || r.FinishedAt == nil || r.Canaries != (deadletter.CanaryCount{Failed: 1, Waiting: 1}) {
				t.Errorf("%+v", r)
			}
			if r.Reason == nil || retry == strings.Contains(*r.Reason, canary.String()+" failed again: source_not_found: ") {
				t.Errorf("%+v", r)
			}
			c.Exec(`UPDATE dead_letter_replays SET due_at = now()`)
			if did, err := deadletter.NewReplayer(c.DeadLetters).Step(t.Context()); did || err != nil {
				t.Errorf("it goes on: %t, %v", did, err)
			}
			if n := c.Count("images WHERE status = 'failed'"); n < 3 {
				t.Errorf("%d images are left alone", n)
			}
		})
	}
}

func TestReplayOfCanariesOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outcome func(imaging.Claim) imaging.Outcome
		want    deadletter.ReplayState
	}{"good": {well, deadletter.ReplayDone}, "bad": {badly, deadletter.ReplayStopped}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			w := failed(c, 2)
			r := startReplay(c, deadletter.ReplayRequest{Canary: 10})
			for range 2 {
				if r = step(c, r.ID); r.Replayed != 2 || r.State != deadletter.ReplayRunning {
					t.Fatalf("%+v", r)
				}
			}
			finishWork(c, w.ID, test.outcome)
			if r = step(c, r.ID); r.State != test.want {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestReplayLeavesNewFailures has a replayed image fail again while the replay is
// going on: it must not go round for ever.
func TestReplayLeavesNewFailures(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 2)
	r := startReplay(c, deadletter.ReplayRequest{Rate: 1})
	step(c, r.ID)
	var image uuid.UUID
	c.Scan(&image, `SELECT id FROM images WHERE status = 'pending'`)
	c.Settle(c.ClaimSecondGeneration(image), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	c.FileDeadLetter(testenv.Encode(t, imaging.Job{ImageID: image, Generation: 2}), "rejected")
	step(c, r.ID)
	if r = step(c, r.ID); r.State != deadletter.ReplayDone || r.Replayed != 2 {
		t.Errorf("%+v", r)
	}
	if n := c.Count("dead_letters WHERE replayed_at IS NULL AND generation = 2"); n != 1 {
		t.Errorf("%d new dead letters", n)
	}
}

// TestReplayGoesOnElsewhere ends one replica after another in the middle.
func TestReplayGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 20)
	r := startReplay(c, deadletter.ReplayRequest{Rate: 4})
	replica := func() *deadletter.Replayer {
		return deadletter.NewReplayer(testenv.NewReplica(testenv.Open(t, c.DSN), c.Cache).DeadLetters)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	first := replica()
	go func() { ended <- first.Run(ctx) }()
	testenv.Eventually(t, "the first replica has begun", func() bool { return replay(c, r.ID).Replayed > 0 })
	stop()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Fatal(err)
	}
	if r := replay(c, r.ID); r.State != deadletter.ReplayRunning {
		t.Fatalf("it was over too soon: %+v", r)
	}
	// A killed replayer releases nothing: its step counts as abandoned when its time
	// is over.
	c.Exec(`UPDATE dead_letter_replays SET steps = steps + 1, due_at = clock_timestamp() - interval '1 millisecond'`)
	for range 3 {
		testenv.Run(t, replica().Run)
	}
	testenv.Eventually(t, "the others end it", func() bool { return replay(c, r.ID).State == deadletter.ReplayDone })
	wantRestartedOnce(c, 20)
}

// wantRestartedOnce checks that each of n images was replayed exactly once.
func wantRestartedOnce(c *testenv.Environment, n int) {
	c.T.Helper()
	if got := c.Count("images WHERE generation = 2 AND status = 'pending'"); got != n {
		c.T.Errorf("%d images restarted once, want %d", got, n)
	}
	if jobs := c.Count("outbox WHERE kind = 'image_job'"); jobs != n {
		c.T.Errorf("%d jobs, want %d", jobs, n)
	}
	var replayed int
	c.Scan(&replayed, `SELECT sum(replayed + skipped_changed + skipped_gone + skipped_broken) FROM dead_letter_replays`)
	if replayed != n {
		c.T.Errorf("%d counted, want %d", replayed, n)
	}
}

// TestStalledReplicaCannotReplay freezes a replica that is about to replay, and
// lets it go on after its step was given up.
func TestStalledReplicaCannotReplay(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 5)
	r := startReplay(c, deadletter.ReplayRequest{})
	u, err := url.Parse(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	slow := deadletter.NewReplayer(testenv.NewReplica(testenv.Open(t, u.String()), c.Cache).DeadLetters)
	p.StallAfter("FROM dead_letters AS d")
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Step(t.Context())
		ended <- err
	}()
	testenv.Eventually(t, "the slow replica has the replay", func() bool { return c.Count("dead_letter_replays WHERE steps = 1") == 1 })
	c.Exec(`UPDATE dead_letter_replays SET steps = 2`) // somebody else begins the next step
	p.Resume()
	if err := testenv.Receive(t, "a value", ended); err != nil && !errors.Is(err, product.ErrUnavailable) { // it may have waited for too long
		t.Error(err)
	}
	if n := c.Count("images WHERE generation > 1"); n != 0 || c.Count("outbox") != 0 {
		t.Errorf("%d images restarted by a step that was given up", n)
	}
	if r = step(c, r.ID); r.State != deadletter.ReplayDone {
		t.Errorf("%+v", r)
	}
	wantRestartedOnce(c, 5)
}

func TestReplaysSideBySide(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 6)
	for range 3 {
		startReplay(c, deadletter.ReplayRequest{})
	}
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			_, err := deadletter.NewReplayer(c.DeadLetters).Step(t.Context())
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := c.Count("images WHERE generation = 2"); got != 6 {
		t.Errorf("%d images restarted", got)
	}
	if got := c.Count("outbox"); got != 6 {
		t.Errorf("%d jobs", got)
	}
}

func TestReconcilePurgesReplays(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	failed(c, 1)
	old, recent, running := startReplay(c, deadletter.ReplayRequest{}), startReplay(c, deadletter.ReplayRequest{}), startReplay(c, deadletter.ReplayRequest{})
	c.Exec(`INSERT INTO dead_letter_canaries (replay_id, image_id, generation) VALUES ($1, gen_random_uuid(), 2)`, old.ID)
	end := func(id uuid.UUID, ago string) {
		c.Exec(`UPDATE dead_letter_replays SET state = 'done', finished_at = now() - $1::interval WHERE id = $2`, ago, id)
	}
	end(old.ID, "31 days")
	end(recent.ID, "29 days")
	c.Exec(`UPDATE dead_letter_replays SET created_at = now() - interval '1 year' WHERE id = $1`, running.ID)
	c.Reconcile(testenv.EmptyQueue)
	_, err := c.DeadLetters.Replay(t.Context(), old.ID)
	testenv.WantErr(t, err, product.ErrNotFound)
	if n := c.Count("dead_letter_replays"); n != 2 || c.Count("dead_letter_canaries") != 0 {
		t.Errorf("%d replays are left", n)
	}
}
