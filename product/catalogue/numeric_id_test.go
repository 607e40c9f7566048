package catalogue_test

import (
	"math"
	"testing"

	"golang.org/x/sync/errgroup"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/postgres"
)

// lampOf is a product of any user.
func lampOf(c *testenv.Environment, user int64) product.NewProduct {
	return product.NewProduct{UserID: user, Name: "Lamp", Price: testenv.Price(c.T, "1")}
}

// createIn stores a product in a scope.
func createIn(c *testenv.Environment, scope product.Scope, user int64) error {
	c.T.Helper()
	_, _, err := c.Service.Create(c.T.Context(), scope, lampOf(c, user), postgres.Idempotency{})
	return err
}

func TestOpenAccessCreatesUnknownUsers(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for _, user := range []int64{c.User, 23, 23, math.MaxInt32} {
		if err := createIn(c, product.OpenAccess(), user); err != nil {
			t.Errorf("user %d: %v", user, err)
		}
	}
	if n := c.Count("users"); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
	u, err := c.Accounts.User(t.Context(), product.Everything(), 23)
	if err != nil || u.ID != 23 || u.Name != nil || u.Email != nil || u.CreatedAt.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
	testenv.WantFields(t, createIn(c, product.OpenAccess(), math.MaxInt32+1), "user_id")
	testenv.WantFields(t, createIn(c, product.Everything(), 24), "user_id")
	testenv.WantFields(t, createIn(c, product.OwnedBy(24), 24), "user_id")
	// The user goes with the product that could not be stored.
	n := lampOf(c, 25)
	n.Images = []string{"upload:uploads/25/01a20375-f1f8-703c-9cac-9ec8b2af35dc"}
	_, _, err = c.Service.Create(t.Context(), product.OpenAccess(), n, postgres.Idempotency{})
	testenv.WantFields(t, err, "product_images/0")
	if n := c.Count("users"); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
}

// TestUserIDsThatAreTaken has users be created by number and by the sequence at once.
func TestUserIDsThatAreTaken(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	const users = 40
	var g errgroup.Group
	g.SetLimit(10)
	for i := range users {
		g.Go(func() error { return createIn(c, product.OpenAccess(), int64(2+i)) })
		g.Go(func() error { return createIn(c, product.OpenAccess(), int64(2+i)) })
		g.Go(func() error {
			u, err := c.CreateUser(t.Context(), account.NewUser{})
			if err == nil {
				return createIn(c, product.OwnedBy(u.ID), u.ID)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.Count("products"); n != 3*users {
		t.Errorf("%d products, want %d", n, 3*users)
	}
	// A user created by the sequence has an id that was not named before, so that
	// a named user has at most one more product than it was given.
	if n := c.Count("users"); n < users+1 || n > 2*users+1 {
		t.Errorf("%d users", n)
	}
}

// TestSequenceSkipsTakenIDs has the sequence meet an id of a transaction that is not
// committed yet, and then of one that is undone.
func TestSequenceSkipsTakenIDs(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	for commit, want := range map[bool]int64{true: 3, false: 2} {
		tx, err := c.DB.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Exec(`ALTER SEQUENCE users_id_seq RESTART WITH 2`)
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO users (id) VALUES (2)`); err != nil {
			t.Fatal(err)
		}
		created := make(chan account.User, 1)
		go func() {
			u, err := c.CreateUser(t.Context(), account.NewUser{})
			if err != nil {
				t.Error(err)
			}
			created <- u
		}()
		testenv.Eventually(t, "the insertion waits for the other transaction", func() bool {
			return c.Count(`pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO users%' AND datname = current_database()
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
		c.Exec(`DELETE FROM users WHERE id > 1`)
	}
}

func TestListByExternalID(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	other := c.AddUser()
	for _, user := range []int64{c.User, other} {
		for _, id := range []string{"a-1", "a-2"} {
			n := lampOf(c, user)
			n.Name, n.ExternalID = id, id
			if _, err := c.Create(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		c.AddProduct("without", "1")
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
	_, page := c.ListNames(product.Filter{ExternalID: "a-1", Limit: 1})
	if _, err := c.List(t.Context(), product.Everything(), product.Filter{ExternalID: "a-2", Limit: 1, Cursor: page.Next}); err == nil {
		t.Error("a cursor of another external id was taken")
	}
	if names, page := c.ListNames(product.Filter{ExternalID: "a-1", Limit: 1, Cursor: page.Next}); len(names) != 1 || page.HasMore {
		t.Errorf("second page %v, more %t", names, page.HasMore)
	}
	testenv.WantFields(t, product.Filter{ExternalID: "a\x01"}.Validate(), "external_id")
}
