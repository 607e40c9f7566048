package event_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/event"
)

// eventData is what the tests read of an event's JSON.
type eventData struct {
	Type        string    `json:"type"`
	ProductID   int64     `json:"product_id"`
	UserID      int64     `json:"user_id"`
	Version     int64     `json:"version"`
	ImageID     uuid.UUID `json:"image_id"`
	ImageStatus string    `json:"image_status"`
	OccurredAt  time.Time `json:"occurred_at"`
}

func decode(t *testing.T, e *event.Event) eventData {
	t.Helper()
	var got eventData
	if err := json.Unmarshal(e.Data, &got); err != nil {
		t.Fatalf("%v: %s", err, e.Data)
	}
	if got.Type != string(e.Type) || got.ProductID != e.ProductID || got.UserID != e.UserID || got.OccurredAt.IsZero() {
		t.Errorf("event %d does not match its data %s", e.Position, e.Data)
	}
	return got
}

func subscribe(c *testenv.Environment, scope product.Scope, f event.Filter) *event.Subscription {
	c.T.Helper()
	s, err := c.Events.Subscribe(c.T.Context(), scope, f)
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(s.Close)
	return s
}

// eventsAfter returns the log's events after a position, once the last one is there.
func eventsAfter(c *testenv.Environment, scope product.Scope, f event.Filter, after, last int64) []*event.Event {
	c.T.Helper()
	var all []*event.Event
	testenv.Eventually(c.T, fmt.Sprintf("event %d", last), func() bool {
		page, err := c.Events.Events(c.T.Context(), scope, f, after)
		if err != nil || page.Lost {
			c.T.Fatalf("events after %d: %+v, %v", after, page, err)
		}
		all, after = append(all, page.Events...), page.Position
		return after >= last
	})
	return all
}

func TestEveryVersionHasItsEvent(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	all := product.Everything()
	sub := subscribe(c, all, event.Filter{})
	w := c.NewProduct(testenv.Source, testenv.Source)
	first, second := w.Images[0], w.Images[1]
	claim := c.Claim(first, "a")
	c.Settle(claim, testenv.ReadyOutcome(claim, testenv.Digest(1)))
	c.Settle(c.Claim(second, "b"), testenv.FailedOutcome(imaging.CodeSourceNotFound))
	if _, err := c.RetryImage(t.Context(), all, w.ID, second.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	title := "Torch"
	if _, err := c.Patch(t.Context(), all, w.ID, product.Patch{Name: &title}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Patch(t.Context(), all, w.ID, product.Patch{Name: &title}, product.Precondition{}); err != nil {
		t.Fatal(err) // no change, so no event
	}
	if _, err := c.Patch(t.Context(), all, w.ID, product.Patch{Images: &[]string{testenv.Source}}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), all, w.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	bare := c.NewProduct()

	want := []eventData{
		{Type: "product.created", Version: 1, ImageStatus: "pending"},
		{Type: "image.processing", Version: 2, ImageID: first.ID, ImageStatus: "pending"},
		{Type: "image.ready", Version: 3, ImageID: first.ID, ImageStatus: "pending"},
		{Type: "image.processing", Version: 4, ImageID: second.ID, ImageStatus: "pending"},
		{Type: "image.failed", Version: 5, ImageID: second.ID, ImageStatus: "partial"},
		{Type: "image.pending", Version: 6, ImageID: second.ID, ImageStatus: "pending"},
		{Type: "product.updated", Version: 7, ImageStatus: "pending"},
		{Type: "product.updated", Version: 8, ImageStatus: "ready"},
		{Type: "product.deleted", Version: 9},
		{Type: "product.created", Version: 1, ImageStatus: "none"},
	}
	live := make([]*event.Event, len(want))
	for i := range live {
		live[i] = testenv.Receive(t, "an event", sub.Events())
	}
	for name, events := range map[string][]*event.Event{"live": live, "log": eventsAfter(c, all, event.Filter{}, 0, int64(len(want)))} {
		var got []eventData
		for i, e := range events {
			if e.Position != int64(i)+1 {
				t.Errorf("%s: event %d has position %d", name, i, e.Position)
			}
			d := decode(t, e)
			if id := map[bool]int64{true: w.ID, false: bare.ID}[i < 9]; d.ProductID != id || d.UserID != c.User {
				t.Errorf("%s: event %d has product %d of user %d", name, i, d.ProductID, d.UserID)
			}
			d.ProductID, d.UserID, d.OccurredAt = 0, 0, time.Time{}
			got = append(got, d)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRefusedWritesHaveNoEvents(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	title := "Torch"
	w := c.NewProduct()
	_, err := c.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &title}, product.Precondition{Version: 7})
	testenv.WantErr(t, err, product.ErrPrecondition)
	_, err = c.Create(t.Context(), product.NewProduct{UserID: testenv.UnknownID, Name: "Lamp", Price: testenv.Price(t, "1")})
	testenv.WantFields(t, err, "user_id")
	if n := c.Count("event_inbox"); n != 1 {
		t.Errorf("%d changes in the inbox, want only that of the creation", n)
	}
}

func TestLateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	sub := subscribe(c, product.Everything(), event.Filter{})

	late, err := c.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Rollback() }()
	lost := int64(testenv.UnknownID)
	const q = `INSERT INTO event_inbox (type, product_id, user_id, version, occurred_at) VALUES ('product.updated', $1, $2, 2, now())`
	if _, err := late.ExecContext(t.Context(), q, lost, c.User); err != nil {
		t.Fatal(err)
	}
	// A later change has a greater id and does not wait for the older transaction.
	w := c.NewProduct()
	if e := testenv.Receive(t, "an event", sub.Events()); e.ProductID != w.ID || e.Position != 1 {
		t.Fatalf("got %d, %s", e.Position, e.Data)
	}
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	if e := testenv.Receive(t, "an event", sub.Events()); e.ProductID != lost || e.Position != 2 {
		t.Fatalf("got %d, %s", e.Position, e.Data)
	}
	if got := eventsAfter(c, product.Everything(), event.Filter{}, 1, 2); len(got) != 1 || got[0].ProductID != lost {
		t.Errorf("the log has %d events after the first, want that of the late commit", len(got))
	}
}

// TestReplicasShareOneOrder has two replicas, each with a sequencer, change the same
// products.
func TestReplicasShareOneOrder(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	replicas := []*testenv.Environment{c, c.AnotherReplica()}
	var subs []*event.Subscription
	for _, r := range replicas {
		r.RunEventLog()
		subs = append(subs, subscribe(r, product.Everything(), event.Filter{}))
	}
	const shared, writers, writes = 3, 4, 15
	ids := make([]int64, shared)
	for i := range ids {
		ids[i] = c.NewProduct().ID
	}
	var done sync.WaitGroup
	for n := range writers {
		done.Go(func() {
			for i := range writes {
				name := fmt.Sprintf("%d of %d", i, n)
				if _, err := replicas[n%2].Patch(t.Context(), product.Everything(), ids[rand.IntN(shared)], product.Patch{Name: &name}, product.Precondition{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	const total = shared + writers*writes
	for n, sub := range subs {
		versions := map[int64]int64{}
		for i := range total {
			e := testenv.Receive(t, "an event", sub.Events())
			if e.Position != int64(i)+1 {
				t.Fatalf("replica %d: position %d, want %d", n, e.Position, i+1)
			}
			if v := decode(t, e).Version; v != versions[e.ProductID]+1 {
				t.Fatalf("replica %d: version %d of %d after %d", n, v, e.ProductID, versions[e.ProductID])
			}
			versions[e.ProductID]++
		}
	}
	if n := c.Count("event_inbox"); n != 0 {
		t.Errorf("%d changes remain in the inbox", n)
	}
}

func TestEventsMatchScopeAndFilter(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.RunEventLog()
	mine, eve := c.User, c.AddUser()
	one, other := int64(7001), int64(7002)
	everything := product.Everything()
	cases := map[string]struct {
		scope product.Scope
		f     event.Filter
		want  []int64
	}{
		"admin":                      {everything, event.Filter{}, []int64{one, other, one}},
		"user":                       {product.OwnedBy(mine), event.Filter{}, []int64{one, one}},
		"another user":               {product.OwnedBy(eve), event.Filter{}, []int64{other}},
		"another user's product":     {product.OwnedBy(eve), event.Filter{ProductID: &one}, nil},
		"another user's events":      {product.OwnedBy(eve), event.Filter{UserID: &mine}, nil},
		"nobody":                     {product.Scope{}, event.Filter{}, nil},
		"one product":                {everything, event.Filter{ProductID: &other}, []int64{other}},
		"one user's":                 {everything, event.Filter{UserID: &eve}, []int64{other}},
		"one user's, of the other's": {everything, event.Filter{UserID: &eve, ProductID: &one}, nil},
	}
	subs := map[string]*event.Subscription{}
	for name, test := range cases {
		subs[name] = subscribe(c, test.scope, test.f)
	}
	const q = `INSERT INTO event_inbox (type, product_id, user_id, version, occurred_at) VALUES
		('product.created', $1, $2, 1, now()), ('product.created', $3, $4, 1, now()), ('product.deleted', $1, $2, 2, now())`
	c.Exec(q, one, mine, other, eve)
	for range 3 {
		testenv.Receive(t, "an event", subs["admin"].Events())
	}
	subs["admin"].Reached() // it returns after the hub has sent the events to the others too
	for name, test := range cases {
		var log, live []int64
		for _, e := range eventsAfter(c, test.scope, test.f, 0, 3) {
			log = append(log, e.ProductID)
		}
		if diff := cmp.Diff(test.want, log); diff != "" {
			t.Errorf("%s: log (-want +got):\n%s", name, diff)
		}
		if name == "admin" {
			continue
		}
		for len(subs[name].Events()) > 0 {
			live = append(live, testenv.Receive(t, "an event", subs[name].Events()).ProductID)
		}
		if diff := cmp.Diff(test.want, live); diff != "" {
			t.Errorf("%s: live (-want +got):\n%s", name, diff)
		}
	}
}
