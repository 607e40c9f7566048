package account_test

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

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/outbox"
)

// maxRevocation is the time after which no replica may accept a revoked key.
const maxRevocation = 5 * time.Second

// keyReplica is a replica with its own pool, cache and memory of keys, whose connections
// to PostgreSQL and Redis can be broken.
type keyReplica struct {
	*testenv.Replica
	postgres, redis *testenv.Proxy
}

func newKeyReplica(c *testenv.Environment, prefix string) keyReplica {
	c.T.Helper()
	through := func(address string) (string, *testenv.Proxy) {
		u, err := url.Parse(address)
		if err != nil {
			c.T.Fatal(err)
		}
		p := testenv.NewProxy(c.T, u.Host)
		u.Host = p.Addr
		return u.String(), p
	}
	dsn, postgres := through(c.DSN)
	address, redis := through(testenv.RedisURL(c.T))
	store := testenv.Open(c.T, dsn)
	c.T.Cleanup(postgres.Refuse) // before the store is closed, since Close waits for a frozen server
	cached := testenv.OpenCache(c.T, address, prefix, outbox.New(store).PendingInvalidations)
	testenv.Run(c.T, outbox.NewInvalidationRelay(outbox.New(store), cached, nil, testenv.Quiet()).Run)
	return keyReplica{testenv.NewReplica(store, cached), postgres, redis}
}

// TestRevocationReachesEveryReplica revokes a key on one replica and waits until the other
// refuses it, while either or both have lost a server.
func TestRevocationReachesEveryReplica(t *testing.T) {
	t.Parallel()
	nothing := func(_, _ keyReplica) {}
	for name, do := range map[string]struct {
		fail, mend func(revoking, other keyReplica)
	}{
		"no failure":      {nothing, nothing},
		"Redis is down":   {func(r, o keyReplica) { r.redis.Refuse(); o.redis.Refuse() }, func(r, o keyReplica) { r.redis.Accept(); o.redis.Accept() }},
		"Redis is frozen": {func(r, o keyReplica) { r.redis.Stall(); o.redis.Stall() }, func(r, o keyReplica) { r.redis.Resume(); o.redis.Resume() }},
		"the revoking replica has lost Redis": {
			func(r, _ keyReplica) { r.redis.Refuse() }, func(r, _ keyReplica) { r.redis.Accept() }},
		"the other replica has lost Redis": {
			func(_, o keyReplica) { o.redis.Refuse() }, func(_, o keyReplica) { o.redis.Accept() }},
		"the other replica has lost PostgreSQL": {
			func(_, o keyReplica) { o.postgres.Refuse() }, func(_, o keyReplica) { o.postgres.Accept() }},
		"the other replica's PostgreSQL is frozen": {
			func(_, o keyReplica) { o.postgres.Stall() }, func(_, o keyReplica) { o.postgres.Resume() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			prefix := uuid.NewString() + ":"
			revoking, other := newKeyReplica(c, prefix), newKeyReplica(c, prefix)
			key, text := newKey(c, account.NewAPIKey{})
			wantGrant(t, revoking.Replica, text, key)
			wantGrant(t, other.Replica, text, key)
			do.fail(revoking, other)
			if _, err := revoking.Accounts.RevokeKey(t.Context(), product.OwnedBy(c.User), c.User, key.ID); err != nil {
				t.Fatal(err)
			}
			revoked, accepted := time.Now(), time.Time{}
			refused := func() bool {
				began := time.Now()
				_, err := other.Accounts.VerifyKey(t.Context(), text)
				if err == nil {
					accepted = began
				}
				return err != nil
			}
			testenv.Eventually(t, "the other replica refuses the key", refused)
			do.mend(revoking, other)
			testenv.Eventually(t, "the other replica reports the key as invalid", func() bool {
				_, err := other.Accounts.VerifyKey(t.Context(), text)
				if err == nil {
					t.Fatal("the other replica accepted the key again")
				}
				return errors.Is(err, account.ErrInvalidKey)
			})
			if took := accepted.Sub(revoked); took > maxRevocation {
				t.Errorf("the other replica accepted the key for another %v", took)
			}
		})
	}
}

// TestKnownKeysWorkDuringAnOutage stops PostgreSQL for longer than a process accepts keys
// without asking.
func TestKnownKeysWorkDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct{ fail, mend func(*testenv.Proxy) }{
		"refused": {(*testenv.Proxy).Refuse, (*testenv.Proxy).Accept},
		"frozen":  {(*testenv.Proxy).Stall, (*testenv.Proxy).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testenv.New(t)
			r := newKeyReplica(c, uuid.NewString()+":")
			key, text := newKey(c, account.NewAPIKey{})
			_, unseen := newKey(c, account.NewAPIKey{})
			wantGrant(t, r.Replica, text, key)
			do.fail(r.postgres)
			began := time.Now()
			testenv.Eventually(t, "three seconds have passed", func() bool {
				wantGrant(t, r.Replica, text, key)
				return t.Failed() || time.Since(began) > 3*time.Second
			})
			began = time.Now()
			_, err := r.Accounts.VerifyKey(t.Context(), unseen)
			testenv.WantErr(t, err, product.ErrUnavailable)
			if took := time.Since(began); took > 5*time.Second { // three, plus two for a busy machine
				t.Errorf("an unseen key was refused after %v", took)
			}
			// A malformed key is refused without the database.
			_, err = r.Accounts.VerifyKey(t.Context(), flip(unseen, 20))
			testenv.WantErr(t, err, account.ErrInvalidKey)
			do.mend(r.postgres)
			testenv.Eventually(t, "the unseen key is accepted", func() bool {
				_, err := r.Accounts.VerifyKey(t.Context(), unseen)
				return err == nil
			})
		})
	}
}

// TestCacheGrantsNothing forges records in Redis.
func TestCacheGrantsNothing(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	key, text := newKey(c, account.NewAPIKey{ReadOnly: true})
	_, made := newKey(testenv.New(t), account.NewAPIKey{}) // well-formed, but unknown in this database
	eve := c.AddUser()
	forge := func(text string) bool {
		sum := sha256.Sum256([]byte(text))
		forged, err := json.Marshal(map[string]any{"id": key.ID, "user_id": eve, "read_only": false, "expires_at": nil})
		if err != nil {
			t.Fatal(err)
		}
		name := "apikey:v1:" + hex.EncodeToString(sum[:])
		got, hit, err := c.Cache.Fetch(t.Context(), name, "", func(context.Context) ([]byte, error) { return forged, nil })
		if err != nil {
			t.Fatal(err)
		}
		return hit && string(got) == string(forged)
	}
	for _, text := range []string{text, made} {
		testenv.Eventually(t, "the forged record is cached", func() bool { return forge(text) })
	}
	wantGrant(t, c.Replica, text, key)
	if got, err := c.Accounts.VerifyKey(t.Context(), made); !errors.Is(err, account.ErrInvalidKey) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestLookupsOfUnknownKeysAreLimited floods a replica whose PostgreSQL does not respond with
// keys that it has never seen.
func TestLookupsOfUnknownKeysAreLimited(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	r := newKeyReplica(c, uuid.NewString()+":")
	other := testenv.New(t)
	var texts []string
	for range 5 {
		other.User = other.AddUser()
		for range 10 {
			_, text := newKey(other, account.NewAPIKey{})
			texts = append(texts, text)
		}
	}
	r.postgres.Stall()
	busy := make(chan int, len(texts))
	var callers sync.WaitGroup
	for _, text := range texts {
		callers.Go(func() {
			if _, err := r.Accounts.VerifyKey(t.Context(), text); !errors.Is(err, product.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			busy <- r.Store.Stats().InUse
		})
	}
	callers.Wait()
	close(busy)
	for n := range busy {
		if n > 7 { // of 10: four look-ups, and the cache's and relay's queries for invalidations
			t.Fatalf("%d connections were in use", n)
		}
	}
}

// killedAfterCommit is the cache of a process that is killed after its commits.
type killedAfterCommit struct{ *cache.Cache }

func (killedAfterCommit) Drop(context.Context, string) error { return nil }

// TestRevocationSurvivesItsProcess ends the revoking process before it updates the cache,
// which is all that the other replica can reach.
func TestRevocationSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	prefix := uuid.NewString() + ":"
	killed := testenv.NewReplica(c.Store, killedAfterCommit{testenv.OpenCache(t, testenv.RedisURL(t), prefix, c.Outbox.PendingInvalidations)})
	other := newKeyReplica(c, prefix)
	key, text := newKey(c, account.NewAPIKey{})
	wantGrant(t, other.Replica, text, key)
	other.postgres.Refuse()
	if _, err := killed.Accounts.RevokeKey(t.Context(), product.OwnedBy(c.User), c.User, key.ID); err != nil {
		t.Fatal(err)
	}
	revoked, accepted := time.Now(), time.Time{}
	testenv.Eventually(t, "the key is refused", func() bool {
		began := time.Now()
		_, err := other.Accounts.VerifyKey(t.Context(), text)
		if err == nil {
			accepted = began
		}
		return err != nil
	})
	if took := accepted.Sub(revoked); took > maxRevocation {
		t.Errorf("the key was accepted for another %v", took)
	}
}
