package account

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"vitrine/product"
	"vitrine/product/postgres"
)

const (
	// grantTime is how long a process takes a key without asking again. With
	// the cache's Lag before it, a revoked key ends in less than five seconds.
	grantTime = 2 * time.Second
	// confirmTime is how long PostgreSQL has to confirm a key that the cache has.
	confirmTime = 500 * time.Millisecond
	// rememberedKeys bounds the valid keys, and as many others, that a process
	// keeps in memory.
	rememberedKeys = 10_000
	// maxLookups is how many keys that the process has not seen are looked up in
	// PostgreSQL at once, so that somebody who tries keys does not take all its
	// connections, and lookupWait for how long the others wait.
	maxLookups = 4
	lookupWait = time.Second
)

// Grant is what a valid key allows: to act for a user.
type Grant struct {
	KeyID    uuid.UUID
	UserID   int64
	ReadOnly bool
}

// keyring is what a process knows of keys.
type keyring struct {
	granted *lru.Cache[keyDigest, granted]
	refused *lru.Cache[keyDigest, time.Time] // until when a key is not looked up again
	lookups chan struct{}
	asked   singleflight.Group

	mu   sync.Mutex
	used map[uuid.UUID]time.Time // keys and when they were used last, not written yet
}

// granted is a key that PostgreSQL has vouched for in this process.
type granted struct {
	record []byte // a keyRecord as it is cached
	keyRecord
	until time.Time // it is taken without asking
}

// keyRecord is a valid key as it is cached.
type keyRecord struct {
	ID        uuid.UUID  `json:"id"`
	UserID    int64      `json:"user_id"`
	ReadOnly  bool       `json:"read_only"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func newKeyring() *keyring {
	return &keyring{
		granted: newLRU[granted](),
		refused: newLRU[time.Time](),
		lookups: make(chan struct{}, maxLookups),
		used:    map[uuid.UUID]time.Time{},
	}
}

// newLRU returns a memory for the rememberedKeys keys that were used last.
func newLRU[V any]() *lru.Cache[keyDigest, V] {
	memory, err := lru.New[keyDigest, V](rememberedKeys)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return memory
}

// VerifyKey gives what an API key allows. What it says holds for two seconds, also
// where the key is revoked in that time. Errors: [ErrInvalidKey], and
// [product.ErrUnavailable] where it cannot be found out now.
//
// PostgreSQL alone grants, and is asked every two seconds while it can be reached.
// Otherwise the cache is, about keys that PostgreSQL has granted to this process
// before: it is under the protocol of the products, so that known keys go on in an
// outage and yet end with their revocation. Somebody who writes to it gets nothing:
// what it says has to be what PostgreSQL said.
func (s *Service) VerifyKey(ctx context.Context, key string) (Grant, error) {
	digest, ok := digestKey(key)
	if !ok {
		return Grant{}, ErrInvalidKey
	}
	now := time.Now()
	// Looking a digest up tells by its time at most something of the digest, from
	// which nothing leads back to a key.
	if known, seen := s.keys.granted.Get(digest); seen && now.Before(known.until) {
		return known.grant(now)
	}
	if until, refused := s.keys.refused.Get(digest); refused && now.Before(until) {
		return Grant{}, ErrInvalidKey
	}
	// Callers with the same key ask together, so that none of them may end it.
	found, err, _ := s.keys.asked.Do(string(digest[:]), func() (any, error) {
		// A crowd at PostgreSQL must not keep those out who need it for nothing
		// else; questions about keys are bounded by themselves.
		detached, cancel := context.WithTimeout(postgres.Patient(context.WithoutCancel(ctx)), postgres.ReadTimeout)
		defer cancel()
		return s.askForKey(detached, digest)
	})
	if ctx.Err() != nil {
		return Grant{}, postgres.Translate(ctx, "verify key", ctx.Err())
	}
	if errors.Is(err, product.ErrNotFound) {
		return Grant{}, ErrInvalidKey
	}
	if err != nil {
		return Grant{}, err
	}
	known, _ := found.(granted)
	return known.grant(time.Now())
}

// grant is what the key allows at a time.
func (k granted) grant(now time.Time) (Grant, error) {
	if k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		return Grant{}, ErrInvalidKey
	}
	return Grant{KeyID: k.ID, UserID: k.UserID, ReadOnly: k.ReadOnly}, nil
}

// askForKey finds out about a key and remembers what it found, or gives
// [product.ErrNotFound].
func (s *Service) askForKey(ctx context.Context, digest keyDigest) (granted, error) {
	begun := time.Now()
	known, seen := s.keys.granted.Get(digest)
	var err error
	if !seen {
		known.record, err = s.lookUpKey(ctx, digest)
	}
	if err == nil {
		known.record, err = s.confirmKey(ctx, digest, known.record, seen)
	}
	if errors.Is(err, product.ErrNotFound) {
		s.keys.granted.Remove(digest)
		s.keys.refused.Add(digest, begun.Add(grantTime))
	}
	if err != nil {
		return granted{}, err
	}
	known.keyRecord = keyRecord{}
	if err := json.Unmarshal(known.record, &known.keyRecord); err != nil {
		return granted{}, fmt.Errorf("key record: %w", err)
	}
	known.until = begun.Add(grantTime)
	s.keys.granted.Add(digest, known)
	s.keys.use(known.ID, begun)
	return known, nil
}

// confirmKey sees to it that the cache has the record of a key that this process
// knows, for the time when PostgreSQL is away, and asks PostgreSQL if that has not
// just been done. The cache's word counts only where PostgreSQL does not answer.
func (s *Service) confirmKey(ctx context.Context, digest keyDigest, known []byte, old bool) ([]byte, error) {
	record, hit, err := s.cache.Fetch(ctx, digest.cacheKey(), "", func(ctx context.Context) ([]byte, error) {
		return s.selectKey(ctx, digest)
	})
	switch {
	case err == nil && !hit, postgres.Translated(err):
		return record, err
	case err != nil: // the load was waited for in vain
		return nil, fmt.Errorf("verify key: %w: %w", product.ErrUnavailable, err)
	}
	same := bytes.Equal(record, known)
	if !same {
		s.log.Warn("cached API key is not the one that was granted")
		_ = s.cache.Drop(ctx, digest.cacheKey()) // a failure is counted there
	}
	if !old || same && !s.store.Reachable() {
		return known, nil
	}
	if same {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, confirmTime)
		defer cancel()
	}
	record, err = s.selectKey(ctx, digest)
	if same && errors.Is(err, product.ErrUnavailable) {
		return known, nil
	}
	return record, err
}

// lookUpKey is selectKey when its turn comes.
func (s *Service) lookUpKey(ctx context.Context, digest keyDigest) ([]byte, error) {
	late := time.NewTimer(lookupWait)
	defer late.Stop()
	select {
	case s.keys.lookups <- struct{}{}:
	case <-late.C:
		return nil, fmt.Errorf("verify key: %w: too many look-ups", product.ErrUnavailable)
	case <-ctx.Done():
		return nil, postgres.Translate(ctx, "verify key", ctx.Err())
	}
	defer func() { <-s.keys.lookups }()
	return s.selectKey(ctx, digest)
}

// selectKey gives the record of a valid key, or [product.ErrNotFound].
func (s *Service) selectKey(ctx context.Context, digest keyDigest) ([]byte, error) {
	const q = `SELECT id, user_id, read_only, expires_at, sha256 FROM api_keys
		WHERE sha256 = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`
	var row struct {
		SHA256 []byte `db:"sha256"`
		keyRow
	}
	err := s.store.Get(ctx, "verify key", &row, q, digest[:])
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(row.SHA256, digest[:]) != 1 {
		return nil, fmt.Errorf("verify key: %w", product.ErrNotFound)
	}
	return json.Marshal(keyRecord{ID: row.ID, UserID: row.UserID, ReadOnly: row.ReadOnly, ExpiresAt: utc(row.ExpiresAt)})
}

// use notes that a key was used. Those beyond what is remembered have to wait.
func (k *keyring) use(id uuid.UUID, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, there := k.used[id]; there || len(k.used) < rememberedKeys {
		k.used[id] = now
	}
}
