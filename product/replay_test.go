package product_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/producttest"
)

// startReplay begins a replay of everything unless something else is asked for.
func (c *catalogue) startReplay(q product.ReplayRequest) product.Replay {
	c.t.Helper()
	q.All = q.Letter == nil && q.Fingerprint == nil
	if q.Rate == 0 {
		q.Rate = 1000
	}
	r, err := c.letters.StartReplay(c.t.Context(), q)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *catalogue) replay(id uuid.UUID) product.Replay {
	c.t.Helper()
	r, err := c.letters.Replay(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// step does the next step of the only replay, without the wait for it, and gives
// the progress.
func (c *catalogue) step(id uuid.UUID) product.Replay {
	c.t.Helper()
	c.exec(`UPDATE dead_letter_replays SET due_at = now()`)
	if did, err := product.NewReplayer(c.letters).Step(c.t.Context()); err != nil || !did {
		c.t.Fatal(did, err)
	}
	return c.replay(id)
}

func (c *catalogue) failed(n int) wire {
	c.t.Helper()
	w := c.create(slices.Repeat([]string{source}, n)...)
	c.letDown(imaging.CodeSourceUnavailable, w.Images...)
	c.exec(`DELETE FROM outbox`)
	return c.get(w.ID)
}

// finishWork ends the pending images of a product in one way.
func (c *catalogue) finishWork(id int64, outcome func(imaging.Claim) imaging.Outcome) {
	c.t.Helper()
	for _, image := range c.get(id).Images {
		if image.Status == "pending" {
			claim := c.claimAgain(image.ID)
			c.settle(claim, outcome(claim))
		}
	}
}

func well(claim imaging.Claim) imaging.Outcome { return ready(claim, digest(1)) }
func badly(imaging.Claim) imaging.Outcome      { return failure(imaging.CodeSourceNotFound) }

func TestReplayOne(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.failed(3)
	var letter uuid.UUID
	c.scan(&letter, `SELECT id FROM dead_letters WHERE image_id = $1`, w.Images[1].ID)
	ctx := product.WithRequestID(t.Context(), "r-replay")
	r, err := c.letters.StartReplay(ctx, product.ReplayRequest{Letter: &letter, Rate: 10})
	if err != nil || r.Total != 1 || r.State != product.ReplayRunning || *r.Letter != letter || r.FinishedAt != nil {
		t.Fatal(r, err)
	}
	r = c.step(r.ID)
	if r.State != product.ReplayDone || r.FinishedAt == nil || r.Reason != nil {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(product.ReplayCount{Replayed: 1}, r.ReplayCount); diff != "" {
		t.Error(diff)
	}
	got := c.get(w.ID) // from the cache or not
	if got.Version != w.Version+1 || got.Images[0].Status != "failed" || got.Images[1].Status != "pending" || got.ImageStatus != "pending" {
		t.Errorf("%+v", got)
	}
	if n := c.count("outbox WHERE subject = $1 AND request_id = 'r-replay'", w.Images[1].ID); n != 1 || c.count("outbox") != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := c.count("dead_letters WHERE replayed_at IS NOT NULL"); n != 1 {
		t.Errorf("%d letters are marked", n)
	}

	// It is not replayed twice, also when the image has failed again: that failure
	// has a letter of its own.
	c.settle(c.claimAgain(w.Images[1].ID), failure(imaging.CodeSourceNotFound))
	r = c.startReplay(product.ReplayRequest{Letter: &letter})
	if r = c.step(r.ID); r.State != product.ReplayDone || r.ReplayCount != (product.ReplayCount{Changed: 1}) {
		t.Errorf("%+v", r)
	}
}

func TestReplaySelection(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.create(source, source, source, "https://b.example/1")
	c.letDown(imaging.CodeSourceNotFound, w.Images...)
	c.exec(`UPDATE dead_letters SET replayed_at = now() WHERE image_id = $1`, w.Images[0].ID)
	group := product.ReplayRequest{Fingerprint: new("source_not_found|fetch|a.example")}
	if r := c.startReplay(group); r.Total != 2 || *r.Fingerprint != *group.Fingerprint || r.Letter != nil {
		t.Errorf("%+v", r)
	}
	if r := c.startReplay(product.ReplayRequest{}); r.Total != 3 {
		t.Errorf("%+v", r)
	}
	if r := c.startReplay(product.ReplayRequest{Fingerprint: new("none")}); r.Total != 0 {
		t.Errorf("%+v", r)
	}
	c.exec(`DELETE FROM dead_letter_replays`)
	r := c.startReplay(group)
	if r = c.step(r.ID); r.State != product.ReplayDone || r.Replayed != 2 {
		t.Errorf("%+v", r)
	}
	if got := c.get(w.ID); got.Images[0].Status != "failed" || got.Images[3].Status != "failed" || got.Images[2].Status != "pending" {
		t.Errorf("%+v", got.Images)
	}
}

func TestReplayRefusesBadRequests(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	id := uuid.New()
	for name, test := range map[string]struct {
		q      product.ReplayRequest
		fields []string
	}{
		"nothing":        {product.ReplayRequest{Rate: 1}, []string{""}},
		"two":            {product.ReplayRequest{Letter: &id, All: true, Rate: 1}, []string{""}},
		"three":          {product.ReplayRequest{Letter: &id, All: true, Fingerprint: new("x"), Rate: 1}, []string{""}},
		"bounds":         {product.ReplayRequest{All: true, Canary: 101, Rate: 1001}, []string{"canary", "rate"}},
		"other bounds":   {product.ReplayRequest{All: true, Canary: -1}, []string{"canary", "rate"}},
		"no fingerprint": {product.ReplayRequest{Fingerprint: new(" "), Rate: 1}, []string{"fingerprint"}},
		"too long":       {product.ReplayRequest{Fingerprint: new(strings.Repeat("x", 3000)), Rate: 1}, []string{"fingerprint"}},
		"unknown letter": {product.ReplayRequest{Letter: &id, Rate: 1}, []string{"id"}},
	} {
		t.Log(name)
		_, err := c.letters.StartReplay(t.Context(), test.q)
		wantFields(t, err, test.fields...)
	}
	if n := c.count("dead_letter_replays"); n != 0 {
		t.Errorf("%d replays", n)
	}
	_, err := c.letters.Replay(t.Context(), id)
	wantErr(t, err, product.ErrNotFound)
}

func TestReplaySkips(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.file([]byte("no job"), "rejected")
	w := c.failed(4)
	c.file([]byte("no job either"), "rejected")
	r := c.startReplay(product.ReplayRequest{Canary: 1})
	if r.Total != 6 {
		t.Errorf("%+v", r)
	}
	// One was retried by hand, one was deleted.
	if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, w.Images[0].ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.exec(`UPDATE dead_letters SET replayed_at = NULL`) // as if it had just been selected
	c.exec(`DELETE FROM images WHERE id = $1`, w.Images[1].ID)
	for range 3 { // what is skipped is no canary
		r = c.step(r.ID)
	}
	if want := (product.ReplayCount{Replayed: 1, Unreadable: 1, Changed: 1}); r.ReplayCount != want || r.Canaries.Waiting != 1 {
		t.Errorf("%+v", r)
	}
	c.finishWorkOf(w.Images[2].ID)
	r = c.step(r.ID)
	if want := (product.ReplayCount{Replayed: 2, Unreadable: 2, Changed: 1}); r.ReplayCount != want || r.State != product.ReplayDone {
		t.Errorf("%+v", r)
	}
}

func (c *catalogue) finishWorkOf(image uuid.UUID) {
	c.t.Helper()
	claim := c.claimAgain(image)
	c.settle(claim, ready(claim, digest(1)))
}

func TestReplayAtARate(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(7)
	r := c.startReplay(product.ReplayRequest{Rate: 3})
	var replayed []int64
	for r.State == product.ReplayRunning {
		r = c.step(r.ID)
		replayed = append(replayed, r.Replayed)
	}
	if diff := cmp.Diff([]int64{3, 6, 7}, replayed); diff != "" {
		t.Error(diff)
	}
	// A step is due a second after the one before, whoever does it.
	c.failed(2)
	c.startReplay(product.ReplayRequest{Rate: 1})
	replayers := []*product.Replayer{product.NewReplayer(c.letters), product.NewReplayer(c.letters)}
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
	if n := c.count(`dead_letter_replays WHERE state = 'running' AND due_at BETWEEN clock_timestamp() - interval '1 minute'
		AND clock_timestamp() + interval '1 second'`); n != 1 || done == 0 || done == 4 {
		t.Errorf("%d steps at once", done)
	}
}

func TestReplayWithGoodCanaries(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	w := c.failed(5)
	r := c.startReplay(product.ReplayRequest{Canary: 2})
	for range 3 { // while the canaries are at it, nothing else is begun
		if r = c.step(r.ID); r.Replayed != 2 || r.State != product.ReplayRunning || r.Canaries != (product.CanaryCount{Waiting: 2}) {
			t.Fatalf("%+v", r)
		}
	}
	// A canary that is deleted says nothing: another one takes its place.
	urls := []string{source, source, source, source}
	if _, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Images: &urls}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.exec(`DELETE FROM images WHERE id = (SELECT image_id FROM dead_letter_canaries ORDER BY image_id LIMIT 1)`)
	if r = c.step(r.ID); r.Replayed != 3 || r.Canaries != (product.CanaryCount{Waiting: 2}) {
		t.Fatalf("%+v", r)
	}
	c.finishWork(w.ID, well)
	if r = c.step(r.ID); r.Replayed != 4 || r.State != product.ReplayDone || r.Canaries != (product.CanaryCount{Ready: 2}) {
		t.Errorf("%+v", r)
	}
}

func TestReplayWithBadCanary(t *testing.T) {
	t.Parallel()
	for name, retry := range map[string]bool{"failed": false, "failed and retried by hand": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			w := c.failed(5)
			r := c.startReplay(product.ReplayRequest{Canary: 2})
			r = c.step(r.ID)
			var canary uuid.UUID
			c.scan(&canary, `SELECT image_id FROM dead_letter_canaries ORDER BY image_id DESC LIMIT 1`)
			c.settle(c.claimAgain(canary), failure(imaging.CodeSourceNotFound))
			if retry {
				if _, err := c.RetryImage(t.Context(), product.Everything(), w.ID, canary, product.Precondition{}); err != nil {
					t.Fatal(err)
				}
			}
			r = c.step(r.ID)
			if r.State != product.ReplayStopped || r.Replayed != 2 || r.FinishedAt == nil || r.Canaries != (product.CanaryCount{Failed: 1, Waiting: 1}) {
				t.Errorf("%+v", r)
			}
			if r.Reason == nil || retry == strings.Contains(*r.Reason, canary.String()+" failed again: source_not_found: ") {
				t.Errorf("%+v", r)
			}
			c.exec(`UPDATE dead_letter_replays SET due_at = now()`)
			if did, err := product.NewReplayer(c.letters).Step(t.Context()); did || err != nil {
				t.Errorf("it goes on: %t, %v", did, err)
			}
			if n := c.count("images WHERE status = 'failed'"); n < 3 {
				t.Errorf("%d images are left alone", n)
			}
		})
	}
}

func TestReplayOfCanariesOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outcome func(imaging.Claim) imaging.Outcome
		want    product.ReplayState
	}{"good": {well, product.ReplayDone}, "bad": {badly, product.ReplayStopped}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			w := c.failed(2)
			r := c.startReplay(product.ReplayRequest{Canary: 10})
			for range 2 {
				if r = c.step(r.ID); r.Replayed != 2 || r.State != product.ReplayRunning {
					t.Fatalf("%+v", r)
				}
			}
			c.finishWork(w.ID, test.outcome)
			if r = c.step(r.ID); r.State != test.want {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestReplayLeavesNewFailures has a replayed image fail again while the replay is
// going on: it must not go round for ever.
func TestReplayLeavesNewFailures(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(2)
	r := c.startReplay(product.ReplayRequest{Rate: 1})
	c.step(r.ID)
	var image uuid.UUID
	c.scan(&image, `SELECT id FROM images WHERE status = 'pending'`)
	c.settle(c.claimAgain(image), failure(imaging.CodeSourceNotFound))
	c.file(encode(t, imaging.Job{ImageID: image, Generation: 2}), "rejected")
	c.step(r.ID)
	if r = c.step(r.ID); r.State != product.ReplayDone || r.Replayed != 2 {
		t.Errorf("%+v", r)
	}
	if n := c.count("dead_letters WHERE replayed_at IS NULL AND generation = 2"); n != 1 {
		t.Errorf("%d new dead letters", n)
	}
}

// TestReplayGoesOnElsewhere ends one replica after another in the middle.
func TestReplayGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(20)
	r := c.startReplay(product.ReplayRequest{Rate: 4})
	replica := func() *product.Replayer {
		return product.NewReplayer(newReplica(producttest.Open(t, c.dsn), c.cache).letters)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	first := replica()
	go func() { ended <- first.Run(ctx) }()
	testenv.Eventually(t, "the first replica has begun", func() bool { return c.replay(r.ID).Replayed > 0 })
	stop()
	if err := testenv.Receive(t, "a value", ended); err != nil {
		t.Fatal(err)
	}
	if r := c.replay(r.ID); r.State != product.ReplayRunning {
		t.Fatalf("it was over too soon: %+v", r)
	}
	// One that is killed gives nothing back: its step counts as abandoned when its
	// time is over.
	c.exec(`UPDATE dead_letter_replays SET steps = steps + 1, due_at = clock_timestamp() - interval '1 millisecond'`)
	for range 3 {
		testenv.Run(t, replica().Run)
	}
	testenv.Eventually(t, "the others end it", func() bool { return c.replay(r.ID).State == product.ReplayDone })
	c.wantRestartedOnce(20)
}

// wantRestartedOnce checks that each of n images was replayed exactly once.
func (c *catalogue) wantRestartedOnce(n int) {
	c.t.Helper()
	if got := c.count("images WHERE generation = 2 AND status = 'pending'"); got != n {
		c.t.Errorf("%d images restarted once, want %d", got, n)
	}
	if jobs := c.count("outbox WHERE kind = 'image_job'"); jobs != n {
		c.t.Errorf("%d jobs, want %d", jobs, n)
	}
	var replayed int
	c.scan(&replayed, `SELECT sum(replayed + skipped_changed + skipped_gone + skipped_broken) FROM dead_letter_replays`)
	if replayed != n {
		c.t.Errorf("%d counted, want %d", replayed, n)
	}
}

// TestStalledReplicaCannotReplay freezes a replica that is about to replay, and
// lets it go on after its step was given up.
func TestStalledReplicaCannotReplay(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(5)
	r := c.startReplay(product.ReplayRequest{})
	u, err := url.Parse(c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	slow := product.NewReplayer(newReplica(producttest.Open(t, u.String()), c.cache).letters)
	p.StallAfter("FROM dead_letters AS d")
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Step(t.Context())
		ended <- err
	}()
	testenv.Eventually(t, "the slow replica has the replay", func() bool { return c.count("dead_letter_replays WHERE steps = 1") == 1 })
	c.exec(`UPDATE dead_letter_replays SET steps = 2`) // somebody else begins the next step
	p.Resume()
	if err := testenv.Receive(t, "a value", ended); err != nil && !errors.Is(err, product.ErrUnavailable) { // it may have waited for too long
		t.Error(err)
	}
	if n := c.count("images WHERE generation > 1"); n != 0 || c.count("outbox") != 0 {
		t.Errorf("%d images restarted by a step that was given up", n)
	}
	if r = c.step(r.ID); r.State != product.ReplayDone {
		t.Errorf("%+v", r)
	}
	c.wantRestartedOnce(5)
}

func TestReplaysSideBySide(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(6)
	for range 3 {
		c.startReplay(product.ReplayRequest{})
	}
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			_, err := product.NewReplayer(c.letters).Step(t.Context())
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := c.count("images WHERE generation = 2"); got != 6 {
		t.Errorf("%d images restarted", got)
	}
	if got := c.count("outbox"); got != 6 {
		t.Errorf("%d jobs", got)
	}
}

func TestReconcilePurgesReplays(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.failed(1)
	old, recent, running := c.startReplay(product.ReplayRequest{}), c.startReplay(product.ReplayRequest{}), c.startReplay(product.ReplayRequest{})
	c.exec(`INSERT INTO dead_letter_canaries (replay_id, image_id, generation) VALUES ($1, gen_random_uuid(), 2)`, old.ID)
	end := func(id uuid.UUID, ago string) {
		c.exec(`UPDATE dead_letter_replays SET state = 'done', finished_at = now() - $1::interval WHERE id = $2`, ago, id)
	}
	end(old.ID, "31 days")
	end(recent.ID, "29 days")
	c.exec(`UPDATE dead_letter_replays SET created_at = now() - interval '1 year' WHERE id = $1`, running.ID)
	c.reconcile(empty)
	_, err := c.letters.Replay(t.Context(), old.ID)
	wantErr(t, err, product.ErrNotFound)
	if n := c.count("dead_letter_replays"); n != 2 || c.count("dead_letter_canaries") != 0 {
		t.Errorf("%d replays are left", n)
	}
}
