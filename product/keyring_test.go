package product_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/uuid"

	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/producttest"
)

// revocation is the time after which no replica may take a revoked key.
const revocation = 5 * time.Second

// replica is a service with a pool, a cache and a memory of its own, whose ways to
// PostgreSQL and Redis can be broken.
type keyReplica struct {
	*replica
	postgres, redis *testenv.Proxy
}

func (c *catalogue) keyReplica(prefix string) keyReplica {
	c.t.Helper()
	through := func(address string) (string, *testenv.Proxy) {
		u, err := url.Parse(address)
		if err != nil {
			c.t.Fatal(err)
		}
		p := testenv.NewProxy(c.t, u.Host)
		u.Host = p.Addr
		return u.String(), p
	}
	dsn, postgres := through(c.dsn)
	address, redis := through(testenv.RedisURL(c.t))
	store := producttest.Open(c.t, dsn)
	c.t.Cleanup(postgres.Refuse) // before the store is closed, which would wait for a frozen server
	cached := openCache(c.t, address, prefix, product.NewOutbox(store).PendingInvalidations)
	testenv.Run(c.t, product.NewInvalidationRelay(product.NewOutbox(store), cached, nil, testenv.Quiet()).Run)
	return keyReplica{newReplica(store, cached), postgres, redis}
}

// TestRevocationReachesEveryReplica revokes a key on one replica while both, one or
// the other lack a server, and waits for the end of the key on the other one.
func TestRevocationReachesEveryReplica(t *testing.T) {
	t.Parallel()
	nothing := func(_, _ keyReplica) {}
	for name, do := range map[string]struct {
		fail, mend func(revoking, other keyReplica)
	}{
		"all is well":     {nothing, nothing},
		"Redis is down":   {func(r, o keyReplica) { r.redis.Refuse(); o.redis.Refuse() }, func(r, o keyReplica) { r.redis.Accept(); o.redis.Accept() }},
		"Redis is frozen": {func(r, o keyReplica) { r.redis.Stall(); o.redis.Stall() }, func(r, o keyReplica) { r.redis.Resume(); o.redis.Resume() }},
		"the revoking one lacks Redis": {
			func(r, _ keyReplica) { r.redis.Refuse() }, func(r, _ keyReplica) { r.redis.Accept() }},
		"the other one lacks Redis": {
			func(_, o keyReplica) { o.redis.Refuse() }, func(_, o keyReplica) { o.redis.Accept() }},
		"the other one lacks PostgreSQL": {
			func(_, o keyReplica) { o.postgres.Refuse() }, func(_, o keyReplica) { o.postgres.Accept() }},
		"the other one's PostgreSQL is frozen": {
			func(_, o keyReplica) { o.postgres.Stall() }, func(_, o keyReplica) { o.postgres.Resume() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			prefix := uuid.NewString() + ":"
			revoking, other := c.keyReplica(prefix), c.keyReplica(prefix)
			key, text := c.newKey(product.NewAPIKey{})
			wantGrant(t, revoking.replica, text, key)
			wantGrant(t, other.replica, text, key)
			do.fail(revoking, other)
			if _, err := revoking.accounts.RevokeKey(t.Context(), product.OwnedBy(c.user), c.user, key.ID); err != nil {
				t.Fatal(err)
			}
			revoked, accepted := time.Now(), time.Time{}
			refused := func() bool {
				began := time.Now()
				_, err := other.accounts.VerifyKey(t.Context(), text)
				if err == nil {
					accepted = began
				}
				return err != nil
			}
			testenv.Eventually(t, "the other replica refuses the key", refused)
			do.mend(revoking, other)
			testenv.Eventually(t, "it knows that the key is over", func() bool {
				_, err := other.accounts.VerifyKey(t.Context(), text)
				if err == nil {
					t.Fatal("it took the key again")
				}
				return errors.Is(err, product.ErrInvalidKey)
			})
			if took := accepted.Sub(revoked); took > revocation {
				t.Errorf("it took the key for another %v", took)
			}
		})
	}
}

// TestKnownKeysOutliveAnOutage has PostgreSQL go away for longer than a process
// takes keys unasked.
func TestKnownKeysOutliveAnOutage(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct{ fail, mend func(*testenv.Proxy) }{
		"refused": {(*testenv.Proxy).Refuse, (*testenv.Proxy).Accept},
		"frozen":  {(*testenv.Proxy).Stall, (*testenv.Proxy).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCatalogue(t)
			r := c.keyReplica(uuid.NewString() + ":")
			key, text := c.newKey(product.NewAPIKey{})
			_, unseen := c.newKey(product.NewAPIKey{})
			wantGrant(t, r.replica, text, key)
			do.fail(r.postgres)
			began := time.Now()
			testenv.Eventually(t, "three seconds have passed", func() bool {
				wantGrant(t, r.replica, text, key)
				return t.Failed() || time.Since(began) > 3*time.Second
			})
			began = time.Now()
			_, err := r.accounts.VerifyKey(t.Context(), unseen)
			wantErr(t, err, product.ErrUnavailable)
			if took := time.Since(began); took > 5*time.Second { // three, and two for a busy machine
				t.Errorf("an unseen key was refused after %v", took)
			}
			// What is no key needs no database.
			_, err = r.accounts.VerifyKey(t.Context(), flip(unseen, 20))
			wantErr(t, err, product.ErrInvalidKey)
			do.mend(r.postgres)
			testenv.Eventually(t, "the unseen key is taken", func() bool {
				_, err := r.accounts.VerifyKey(t.Context(), unseen)
				return err == nil
			})
		})
	}
}

// TestCacheGrantsNothing has somebody write to Redis who should not.
func TestCacheGrantsNothing(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	key, text := c.newKey(product.NewAPIKey{ReadOnly: true})
	_, made := newCatalogue(t).newKey(product.NewAPIKey{}) // of the right form, and unknown here
	eve := c.addUser()
	forge := func(text string) bool {
		sum := sha256.Sum256([]byte(text))
		forged, err := json.Marshal(map[string]any{"id": key.ID, "user_id": eve, "read_only": false, "expires_at": nil})
		if err != nil {
			t.Fatal(err)
		}
		name := "apikey:v1:" + hex.EncodeToString(sum[:])
		got, hit, err := c.cache.Fetch(t.Context(), name, "", func(context.Context) ([]byte, error) { return forged, nil })
		if err != nil {
			t.Fatal(err)
		}
		return hit && string(got) == string(forged)
	}
	for _, text := range []string{text, made} {
		testenv.Eventually(t, "the forged record is there", func() bool { return forge(text) })
	}
	wantGrant(t, c.replica, text, key)
	if got, err := c.accounts.VerifyKey(t.Context(), made); !errors.Is(err, product.ErrInvalidKey) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestUnknownKeysAreLookedUpInTurn floods a replica whose PostgreSQL does not answer
// with keys that it has never seen.
func TestUnknownKeysAreLookedUpInTurn(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	r := c.keyReplica(uuid.NewString() + ":")
	other := newCatalogue(t)
	var texts []string
	for range 5 {
		other.user = other.addUser()
		for range 10 {
			_, text := other.newKey(product.NewAPIKey{})
			texts = append(texts, text)
		}
	}
	r.postgres.Stall()
	busy := make(chan int, len(texts))
	var callers sync.WaitGroup
	for _, text := range texts {
		callers.Go(func() {
			if _, err := r.accounts.VerifyKey(t.Context(), text); !errors.Is(err, product.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			busy <- r.store.Stats().InUse
		})
	}
	callers.Wait()
	close(busy)
	for n := range busy {
		if n > 7 { // of 10: four, and those of the cache's and the relay's looks for invalidations
			t.Fatalf("%d connections were in use", n)
		}
	}
}

// speechless is the cache of a process that is killed after its commits.
type speechless struct{ *cache.Cache }

func (speechless) Drop(context.Context, string) error { return nil }

// TestRevocationSurvivesItsProcess has the revoking process end before it could tell
// the cache, which is all that the other replica can ask.
func TestRevocationSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	prefix := uuid.NewString() + ":"
	killed := newReplica(c.store, speechless{openCache(t, testenv.RedisURL(t), prefix, c.outbox.PendingInvalidations)})
	other := c.keyReplica(prefix)
	key, text := c.newKey(product.NewAPIKey{})
	wantGrant(t, other.replica, text, key)
	other.postgres.Refuse()
	if _, err := killed.accounts.RevokeKey(t.Context(), product.OwnedBy(c.user), c.user, key.ID); err != nil {
		t.Fatal(err)
	}
	revoked, accepted := time.Now(), time.Time{}
	testenv.Eventually(t, "the key is refused", func() bool {
		began := time.Now()
		_, err := other.accounts.VerifyKey(t.Context(), text)
		if err == nil {
			accepted = began
		}
		return err != nil
	})
	if took := accepted.Sub(revoked); took > revocation {
		t.Errorf("the key was taken for another %v", took)
	}
}
