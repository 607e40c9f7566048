package catalogue_test

import (
	"context"
	"fmt"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/catalogue"
)

// killedCache is the cache as a process uses it that is killed after its COMMIT.
type killedCache struct {
	catalogue.Cache
	beforeCommit func() // when its tombstone is there
}

func (k killedCache) Forbid(ctx context.Context, key string) (string, error) {
	token, err := k.Cache.Forbid(ctx, key)
	if k.beforeCommit != nil {
		k.beforeCommit()
	}
	return token, err
}

func (killedCache) Replace(context.Context, string, string, []byte) error { return nil }
func (killedCache) Drop(context.Context, string) error                    { return nil }

// TestKilledAfterTheCommitOfAnother has a writer wait for the row while another
// one commits, and be killed after its own commit. The other one publishes then.
func TestKilledAfterTheCommitOfAnother(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	c.Product(w.ID)
	tx, err := c.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var pid int
	if err := tx.QueryRow(`SELECT pg_backend_pid() FROM products WHERE id = $1 FOR UPDATE`, w.ID).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, 1)
	go func() {
		killed <- testenv.RenameToTorch(testenv.NewReplica(c.Store, killedCache{Cache: c.Cache}), w.ID)(t.Context())
	}()
	testenv.Eventually(t, "the write waits for the row", func() bool {
		return c.Count(`pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, pid) > 0
	})

	// What the other writer does, with the row locked.
	key := c.CacheKey(w.ID)
	token, err := c.Cache.Forbid(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE products SET product_name = 'Candle', version = version + 1 WHERE id = $1`, w.ID); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := testenv.Receive(t, "a value", killed); err != nil {
		t.Fatal(err)
	}
	candle := "3 " + fmt.Sprint(w.ID) + " " + fmt.Sprint(c.User) + ` 2` + "\n" + `{"product_name":"Candle","version":2}`
	if err := c.Cache.Replace(t.Context(), key, token, []byte(candle)); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Version != 3 || testenv.Decode(t, s.Data).Name != "Torch" {
		t.Errorf("version %d from %v, %v", s.Version, s.Source, err)
	}
}

// TestKilledAfterAnInvalidation has the key of a write be invalidated before its
// COMMIT, by a relay or another write, and the writer be killed after it.
func TestKilledAfterAnInvalidation(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	c.Product(w.ID)
	beforeCommit := func() {
		if err := c.Cache.Drop(t.Context(), c.CacheKey(w.ID)); err != nil {
			t.Error(err)
		}
		if got := c.Product(w.ID); got.Name != "Lamp" { // which must not fill the cache
			t.Errorf("%q was committed: the test shows nothing", got.Name)
		}
	}
	service := testenv.NewReplica(c.Store, killedCache{c.Cache, beforeCommit})
	if err := testenv.RenameToTorch(service, w.ID)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Version != 2 || testenv.Decode(t, s.Data).Name != "Torch" {
		t.Errorf("version %d from %v, %v", s.Version, s.Source, err)
	}
}

// TestRefusedWriteLeavesTheCache: what is cached holds on, also for a write that
// changes nothing.
func TestRefusedWriteLeavesTheCache(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	w := c.NewProduct()
	c.Product(w.ID)
	service := testenv.NewReplica(c.Store, untouchable{c.Cache, t})
	name, other := w.Name, "Torch"
	_, err := service.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &other}, product.Precondition{Version: 7})
	testenv.WantErr(t, err, product.ErrPrecondition)
	testenv.WantErr(t, service.Delete(t.Context(), product.Everything(), w.ID, product.Precondition{Version: 7}), product.ErrPrecondition)
	testenv.WantErr(t, service.Delete(t.Context(), product.Everything(), testenv.UnknownID, product.Precondition{}), product.ErrNotFound)
	s, err := service.Patch(t.Context(), product.Everything(), w.ID, product.Patch{Name: &name}, product.Precondition{})
	if err != nil || s.Version != 1 || testenv.Decode(t, s.Data).Name != name {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.Get(t.Context(), product.Everything(), w.ID); err != nil || s.Source != product.FromCache {
		t.Errorf("from %v, %v", s.Source, err)
	}
}

// untouchable is a cache that is not to be written to.
type untouchable struct {
	catalogue.Cache
	t *testing.T
}

func (u untouchable) Forbid(context.Context, string) (string, error) {
	u.t.Error("Forbid was called")
	return "", testenv.ErrDown
}

func (u untouchable) Replace(context.Context, string, string, []byte) error {
	u.t.Error("Replace was called")
	return nil
}

func (u untouchable) Drop(context.Context, string) error {
	u.t.Error("Drop was called")
	return nil
}
