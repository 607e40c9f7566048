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
	// grantTime is how long a process accepts a key without asking again. Together
	// with the cache's Lag, a revoked key ends within five seconds.
	grantTime = 2 * time.Second
	// confirmTime is how long PostgreSQL has to confirm a key that is in the cache.
	confirmTime = 500 * time.Millisecond
	// rememberedKeys is how many valid keys a process keeps in memory, and how many
	// refused ones.
	rememberedKeys = 10_000
	// maxLookups is how many unknown keys a process looks up in PostgreSQL at once, so
	// that an attacker who tries keys cannot take all connections. Other look-ups wait
	// for up to lookupWait.
	maxLookups = 4
	lookupWait = time.Second
)

// Grant is what a valid key allows: to act for a user, perhaps only to read.
type Grant struct {
	KeyID    uuid.UUID
	UserID   int64
	ReadOnly bool
}

// keyring is the memory of a process about keys.
type keyring struct {
	granted *lru.Cache[keyDigest, granted]
	refused *lru.Cache[keyDigest, time.Time] // refused without a look-up until then
	lookups chan struct{}
	asking  singleflight.Group

	mu   sync.Mutex
	used map[uuid.UUID]time.Time // last use of each key, not written yet
}

// granted is a key that PostgreSQL has granted to this process.
type granted struct {
	record []byte // the keyRecord in its cached form
	keyRecord
	until time.Time // accepted without asking until then
}

// keyRecord is the cached record of a valid key.
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

// VerifyKey returns what an API key allows. Its answer is used for two seconds, even if the
// key is revoked in that time. Errors: [ErrInvalidKey], and [product.ErrUnavailable] if the
// key cannot be verified now.
//
// Only PostgreSQL grants a key. While it is reachable, it is asked every two seconds.
// While it is not, the cache confirms keys that PostgreSQL has granted to this process
// before. The cache follows the same protocol as for products, so known keys work during
// an outage of PostgreSQL and still end when they are revoked. Write access to the cache
// gains an attacker nothing, because a cached record must equal the granted one.
func (s *Service) VerifyKey(ctx context.Context, key string) (Grant, error) {
	digest, ok := digestKey(key)
	if !ok {
		return Grant{}, ErrInvalidKey
	}
	now := time.Now()
	// The duration of this look-up could at most reveal part of a digest, and the key
	// cannot be derived from that.
	if known, seen := s.keys.granted.Get(digest); seen && now.Before(known.until) {
		return known.grant(now)
	}
	if until, refused := s.keys.refused.Get(digest); refused && now.Before(until) {
		return Grant{}, ErrInvalidKey
	}
	// Callers with the same key share one verification, so the end of one caller must
	// not end it.
	found, err, _ := s.keys.asking.Do(string(digest[:]), func() (any, error) {
		// Verification is not refused under load, since many requests need PostgreSQL
		// for nothing else. Look-ups of keys have their own limit.
		detached, cancel := context.WithTimeout(postgres.Patient(context.WithoutCancel(ctx)), postgres.ReadTimeout)
		defer cancel()
		return s.verify(detached, digest)
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

// grant returns what the key allows, or [ErrInvalidKey] if it has expired.
func (k granted) grant(now time.Time) (Grant, error) {
	if k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		return Grant{}, ErrInvalidKey
	}
	return Grant{KeyID: k.ID, UserID: k.UserID, ReadOnly: k.ReadOnly}, nil
}

// verify asks PostgreSQL or the cache about a key and remembers the answer. It returns
// [product.ErrNotFound] if the key is not valid.
func (s *Service) verify(ctx context.Context, digest keyDigest) (granted, error) {
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

// confirmKey returns the current record of a key whose known record PostgreSQL returned
// before: just now, or earlier if old. It fills the cache for the next outage and asks
// PostgreSQL unless the fill has just done so. The cached record is accepted only if it
// equals known and PostgreSQL does not respond.
func (s *Service) confirmKey(ctx context.Context, digest keyDigest, known []byte, old bool) ([]byte, error) {
	record, hit, err := s.cache.Fetch(ctx, digest.cacheKey(), "", func(ctx context.Context) ([]byte, error) {
		return s.selectKey(ctx, digest)
	})
	switch {
	case err == nil && !hit, postgres.Translated(err):
		return record, err
	case err != nil: // another caller's load did not end in time
		return nil, fmt.Errorf("verify key: %w: %w", product.ErrUnavailable, err)
	}
	same := bytes.Equal(record, known)
	if !same {
		s.log.Warn("Cached API key differs from the known one, dropped")
		_ = s.cache.Drop(ctx, digest.cacheKey()) // the cache counts failures
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

// lookUpKey is selectKey for an unknown key, limited to maxLookups at once.
func (s *Service) lookUpKey(ctx context.Context, digest keyDigest) ([]byte, error) {
	limit := time.NewTimer(lookupWait)
	defer limit.Stop()
	select {
	case s.keys.lookups <- struct{}{}:
	case <-limit.C:
		return nil, fmt.Errorf("verify key: %w: too many lookups of unknown keys", product.ErrUnavailable)
	case <-ctx.Done():
		return nil, postgres.Translate(ctx, "verify key", ctx.Err())
	}
	defer func() { <-s.keys.lookups }()
	return s.selectKey(ctx, digest)
}

// selectKey returns the record of a valid key, or [product.ErrNotFound].
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

// use notes the use of a key. Beyond rememberedKeys unwritten uses, it notes no further
// keys.
func (k *keyring) use(id uuid.UUID, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, there := k.used[id]; there || len(k.used) < rememberedKeys {
		k.used[id] = now
	}
}
