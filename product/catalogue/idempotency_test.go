package catalogue_test

import (
	"crypto/sha256"
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/postgres"
)

// key is an idempotency key of one owner for a request.
func key(name, request string) postgres.Idempotency {
	return postgres.Idempotency{Owner: "admin", Key: name, Request: sha256.Sum256([]byte(request))}
}

func lamp(c *testenv.Environment) product.NewProduct {
	return product.NewProduct{UserID: c.User, Name: "Lamp <&>", Price: testenv.Price(c.T, "12.50"), Images: []string{testenv.Source}}
}

// once creates the lamp and says whether it was the first answer again.
func once(c *testenv.Environment, k postgres.Idempotency) (product.Snapshot, bool) {
	c.T.Helper()
	s, replayed, err := c.Service.Create(c.T.Context(), product.Everything(), lamp(c), k)
	if err != nil {
		c.T.Fatal(err)
	}
	return s, replayed
}

func TestIdempotentProduct(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	first, replayed := once(c, key("k", "lamp"))
	if replayed {
		t.Error("the first answer is a replay")
	}
	want := func(when string) {
		t.Helper()
		again, replayed := once(c, key("k", "lamp"))
		if diff := cmp.Diff(first, again); diff != "" || !replayed {
			t.Errorf("%s: replayed %v (-first +again):\n%s", when, replayed, diff)
		}
	}
	want("at once")
	if n := c.Count("products"); n != 1 {
		t.Errorf("%d products", n)
	}
	if n := c.Count("outbox"); n != 1 {
		t.Errorf("%d jobs for one image", n)
	}
	name := "Torch"
	if _, err := c.Patch(t.Context(), product.Everything(), first.ID, product.Patch{Name: &name}, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	want("after a change")
	if got := c.Product(first.ID); got.Name != name {
		t.Errorf("a replay brought the old value back: %+v", got)
	}
	if err := c.Delete(t.Context(), product.Everything(), first.ID, product.Precondition{}); err != nil {
		t.Fatal(err)
	}
	want("after its end")
	if n := c.Count("products"); n != 0 {
		t.Errorf("a replay brought the product back")
	}
}

func TestIdempotentUser(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	n := account.NewUser{Name: "Eve <&>", Email: "eve@example.org"}
	first, replayed, err := c.Accounts.CreateUser(t.Context(), n, key("k", "eve"))
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	again, replayed, err := c.Accounts.CreateUser(t.Context(), n, key("k", "eve"))
	if diff := cmp.Diff(first, again); diff != "" || !replayed || err != nil {
		t.Errorf("%v, replayed %v (-first +again):\n%s", err, replayed, diff)
	}
	if n := c.Count("users WHERE name LIKE 'Eve%'"); n != 1 {
		t.Errorf("%d users", n)
	}
}

func TestIdempotentKeyReused(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	once(c, key("k", "lamp"))
	_, _, err := c.Service.Create(t.Context(), product.Everything(), lamp(c), key("k", "other"))
	testenv.WantErr(t, err, product.ErrKeyReused)
	_, _, err = c.Accounts.CreateUser(t.Context(), account.NewUser{Name: "Eve", Email: "eve@example.org"}, key("k", "eve"))
	testenv.WantErr(t, err, product.ErrKeyReused)
	if p, u := c.Count("products"), c.Count("users"); p != 1 || u != 1 {
		t.Errorf("%d products, %d users", p, u)
	}
}

func TestIdempotentKeysAreApart(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	ids := map[int64]bool{}
	for _, k := range []postgres.Idempotency{
		key("k", "lamp"),
		key("K", "lamp"),
		{Owner: "somebody", Key: "k", Request: sha256.Sum256([]byte("other"))},
		{}, {}, // no key: each is a request of its own
	} {
		s, replayed := once(c, k)
		if ids[s.ID] || replayed {
			t.Errorf("%q of %q: replayed %v", k.Key, k.Owner, replayed)
		}
		ids[s.ID] = true
	}
	if p, k := c.Count("products"), c.Count("idempotency_keys"); p != 5 || k != 3 {
		t.Errorf("%d products, %d keys", p, k)
	}
}

func TestIdempotentKeyExpires(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	first, _ := once(c, key("k", "lamp"))
	if n := c.Count(`idempotency_keys WHERE expires_at = created_at + interval '24 hours'`); n != 1 {
		t.Error("the key does not live 24 hours")
	}
	c.Exec(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours', expires_at = now() - interval '1 second'`)
	second, replayed := once(c, key("k", "another"))
	if replayed || second.ID == first.ID {
		t.Error("an expired key still counts")
	}
	if n := c.Count(`idempotency_keys WHERE expires_at = created_at + interval '24 hours' AND created_at > now() - interval '1 hour'`); n != 1 {
		t.Error("the key was not used again")
	}
	third, replayed := once(c, key("k", "another"))
	if diff := cmp.Diff(second, third); diff != "" || !replayed {
		t.Errorf("replayed %v:\n%s", replayed, diff)
	}
	c.Reconcile(testenv.EmptyQueue)
	if n := c.Count("idempotency_keys"); n != 1 {
		t.Error("the key that was used again was purged")
	}
}

func TestIdempotentFailureIsNotKept(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	n := lamp(c)
	n.UserID = testenv.UnknownID
	_, _, err := c.Service.Create(t.Context(), product.Everything(), n, key("lamp", "lamp"))
	testenv.WantFields(t, err, "user_id")
	c.Exec(`INSERT INTO users (id, name, email) VALUES ($1, 'Bob', 'bob@example.org')`, n.UserID)
	if _, replayed, err := c.Service.Create(t.Context(), product.Everything(), n, key("lamp", "lamp")); err != nil || replayed {
		t.Error(replayed, err)
	}
	eve := account.NewUser{Name: "Eve", Email: "eve@example.org"}
	c.Exec(`INSERT INTO users (id, name, email) VALUES ($1, 'Eve', 'Eve@example.org')`, testenv.UnknownID+1)
	_, _, err = c.Accounts.CreateUser(t.Context(), eve, key("eve", "eve"))
	testenv.WantErr(t, err, product.ErrConflict)
	c.Exec(`DELETE FROM users WHERE name = 'Eve'`)
	if _, replayed, err := c.Accounts.CreateUser(t.Context(), eve, key("eve", "eve")); err != nil || replayed {
		t.Error(replayed, err)
	}
}

// patient is a catalogue behind a proxy whose sessions wait for locks longer
// than any test does.
func patient(t *testing.T, maxOpen int) (*testenv.Environment, *testenv.Proxy) {
	t.Helper()
	dsn := testenv.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p, q := testenv.NewProxy(t, u.Host), u.Query()
	q.Set("lock_timeout", "60000")
	q.Set("statement_timeout", "60000")
	u.Host, u.RawQuery = p.Addr, q.Encode()
	store, err := postgres.Open(postgres.Config{DSN: u.String(), MaxOpen: maxOpen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return testenv.NewOn(t, dsn, store, testenv.RedisURL(t)), p
}

// TestIdempotentInProgress shows that a request with the key of another one in progress
// is refused without occupying a connection: there is only one.
func TestIdempotentInProgress(t *testing.T) {
	t.Parallel()
	c, _ := patient(t, 2)
	gate := testenv.HoldCommits(t, c.DSN, "products")
	first := make(chan error, 1)
	go func() {
		_, _, err := c.Service.Create(t.Context(), product.Everything(), lamp(c), key("k", "lamp"))
		first <- err
	}()
	gate.Await()
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			_, _, err := c.Service.Create(t.Context(), product.Everything(), lamp(c), key("k", "lamp"))
			if !errors.Is(err, product.ErrKeyInProgress) {
				t.Errorf("the same request: %v", err)
			}
		})
		calls.Go(func() {
			_, _, err := c.Accounts.CreateUser(t.Context(), account.NewUser{Name: "Eve", Email: "eve@example.org"}, key("k", "eve"))
			if !errors.Is(err, product.ErrKeyInProgress) {
				t.Errorf("another request: %v", err)
			}
		})
	}
	calls.Wait()
	gate.Open()
	if err := testenv.Receive(t, "a value", first); err != nil {
		t.Fatal(err)
	}
	for range 8 { // who repeats the request does not keep others from doing so
		calls.Go(func() {
			_, replayed, err := c.Service.Create(t.Context(), product.Everything(), lamp(c), key("k", "lamp"))
			if err != nil || !replayed {
				t.Errorf("afterwards: replayed %v, %v", replayed, err)
			}
		})
	}
	calls.Wait()
	if n := c.Count("products"); n != 1 {
		t.Errorf("%d products", n)
	}
}

// TestIdempotentUnknownCommit cuts the connection in the middle of COMMIT. The
// caller cannot know what became of it; repeating the request tells.
func TestIdempotentUnknownCommit(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"committed": true, "undone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, proxy := patient(t, 10)
			gate := testenv.HoldCommits(t, c.DSN, "products")
			create := func() (product.Snapshot, bool, error) {
				return c.Service.Create(t.Context(), product.Everything(), lamp(c), key("k", "lamp"))
			}
			first := make(chan error, 1)
			go func() {
				_, _, err := create()
				first <- err
			}()
			gate.Await()
			proxy.Cut()
			testenv.WantErr(t, testenv.Receive(t, "a value", first), product.ErrUnavailable)
			_, _, err := create() // the server has not noticed yet
			testenv.WantErr(t, err, product.ErrKeyInProgress)

			if !committed {
				gate.Kill()
			}
			gate.Open()
			var s product.Snapshot
			var replayed bool
			testenv.Eventually(t, "the first request is over", func() bool {
				s, replayed, err = create()
				return !errors.Is(err, product.ErrKeyInProgress)
			})
			if err != nil || replayed != committed {
				t.Errorf("replayed %v, %v", replayed, err)
			}
			if p, jobs, keys := c.Count("products"), c.Count("outbox"), c.Count("idempotency_keys"); p != 1 || jobs != 1 || keys != 1 {
				t.Errorf("%d products, %d jobs, %d keys", p, jobs, keys)
			}
			if got := c.Product(s.ID); len(got.Images) != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}
