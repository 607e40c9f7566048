package product_test

import (
	"math"
	"testing"

	"vitrine/bench/testenv"

	"golang.org/x/sync/errgroup"

	"vitrine/product"
)

// lampOf is a product of any user.
func (c *catalogue) lampOf(user int64) product.NewProduct {
	return product.NewProduct{UserID: user, Name: "Lamp", Price: price(c.t, "1")}
}

// createIn stores a product in a scope.
func (c *catalogue) createIn(scope product.Scope, user int64) error {
	c.t.Helper()
	_, _, err := c.Service.Create(c.t.Context(), scope, c.lampOf(user), product.Idempotency{})
	return err
}

func TestOpenAccessCreatesUnknownUsers(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	for _, user := range []int64{c.user, 23, 23, math.MaxInt32} {
		if err := c.createIn(product.OpenAccess(), user); err != nil {
			t.Errorf("user %d: %v", user, err)
		}
	}
	if n := c.count("users"); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
	u, err := c.accounts.User(t.Context(), product.Everything(), 23)
	if err != nil || u.ID != 23 || u.Name != nil || u.Email != nil || u.CreatedAt.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
	wantFields(t, c.createIn(product.OpenAccess(), math.MaxInt32+1), "user_id")
	wantFields(t, c.createIn(product.Everything(), 24), "user_id")
	wantFields(t, c.createIn(product.OwnedBy(24), 24), "user_id")
	// The user goes with the product that could not be stored.
	n := c.lampOf(25)
	n.Images = []string{"upload:uploads/25/01a20375-f1f8-703c-9cac-9ec8b2af35dc"}
	_, _, err = c.Service.Create(t.Context(), product.OpenAccess(), n, product.Idempotency{})
	wantFields(t, err, "product_images/0")
	if n := c.count("users"); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
}

// TestUserIDsThatAreTaken has users be created by number and by the sequence at once.
func TestUserIDsThatAreTaken(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	const users = 40
	var g errgroup.Group
	g.SetLimit(10)
	for i := range users {
		g.Go(func() error { return c.createIn(product.OpenAccess(), int64(2+i)) })
		g.Go(func() error { return c.createIn(product.OpenAccess(), int64(2+i)) })
		g.Go(func() error {
			u, err := c.CreateUser(t.Context(), product.NewUser{})
			if err == nil {
				return c.createIn(product.OwnedBy(u.ID), u.ID)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.count("products"); n != 3*users {
		t.Errorf("%d products, want %d", n, 3*users)
	}
	// Whoever was created by the sequence has an id that nobody had named before, so that
	// a named user has at most one more product than it was given.
	if n := c.count("users"); n < users+1 || n > 2*users+1 {
		t.Errorf("%d users", n)
	}
}

// TestSequenceSkipsTakenIDs has the sequence meet an id of a transaction that is not
// committed yet, and then of one that is undone.
func TestSequenceSkipsTakenIDs(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	for commit, want := range map[bool]int64{true: 3, false: 2} {
		tx, err := c.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.exec(`ALTER SEQUENCE users_id_seq RESTART WITH 2`)
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO users (id) VALUES (2)`); err != nil {
			t.Fatal(err)
		}
		created := make(chan product.User, 1)
		go func() {
			u, err := c.CreateUser(t.Context(), product.NewUser{})
			if err != nil {
				t.Error(err)
			}
			created <- u
		}()
		testenv.Eventually(t, "the insertion waits for the other transaction", func() bool {
			return c.count(`pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO users%' AND datname = current_database()
				AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'users'::regclass)`) > 0
		})
		if commit {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		if err != nil {
			t.Fatal(err)
		}
		if u := testenv.Receive(t, "a value", created); u.ID != want {
			t.Errorf("committed %t: user %d, want %d", commit, u.ID, want)
		}
		c.exec(`DELETE FROM users WHERE id > 1`)
	}
}

func TestListByExternalID(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	other := c.addUser()
	for _, user := range []int64{c.user, other} {
		for _, id := range []string{"a-1", "a-2"} {
			n := c.lampOf(user)
			n.Name, n.ExternalID = id, id
			if _, err := c.Create(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		c.add("without", "1")
	}
	for name, list := range map[string]struct {
		product.Filter
		scope product.Scope
		want  int
	}{
		"everybody's":    {product.Filter{ExternalID: "a-1", Total: true}, product.Everything(), 2},
		"a user's":       {product.Filter{ExternalID: "a-1", UserID: &other, Total: true}, product.Everything(), 1},
		"one's own":      {product.Filter{ExternalID: "a-1", Total: true}, product.OwnedBy(other), 1},
		"and a name":     {product.Filter{ExternalID: "a-1", Name: "a-2", Total: true}, product.Everything(), 0},
		"nobody's":       {product.Filter{ExternalID: "a", Total: true}, product.Everything(), 0},
		"in other order": {product.Filter{ExternalID: "a-2", Sort: "-updated_at", Total: true}, product.Everything(), 2},
	} {
		page, err := c.List(t.Context(), list.scope, list.Filter)
		if err != nil || len(page.Items) != list.want || *page.Total != (product.Total{Count: list.want, Exact: true}) {
			t.Errorf("%s: %d products, total %+v, %v", name, len(page.Items), page.Total, err)
		}
	}
	_, page := c.list(product.Filter{ExternalID: "a-1", Limit: 1})
	if _, err := c.List(t.Context(), product.Everything(), product.Filter{ExternalID: "a-2", Limit: 1, Cursor: page.Next}); err == nil {
		t.Error("a cursor of another external id was taken")
	}
	if names, page := c.list(product.Filter{ExternalID: "a-1", Limit: 1, Cursor: page.Next}); len(names) != 1 || page.HasMore {
		t.Errorf("second page %v, more %t", names, page.HasMore)
	}
	wantFields(t, product.Filter{ExternalID: "a\x01"}.Validate(), "external_id")
}
