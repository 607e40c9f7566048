package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"

	"github.com/redis/rueidis"
)

// The first byte of what Redis holds under a key.
const (
	kindValue     = 'v' // then the value
	kindLease     = 'l' // then a random token
	kindTombstone = 't' // then a random token
)

// maxValue is the size in bytes above which a value is not stored.
const maxValue = 1 << 20

var (
	// fillScript stores a value while the reader's lease is still there.
	fillScript = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)
	// replaceScript stores a value while the writer's tombstone is still there.
	// Another tombstone stays: if a later writer put it there, that writer will
	// replace it by a newer value; otherwise it expires. Anything else was stored
	// after this writer's tombstone was lost, may be old, and is removed.
	replaceScript = rueidis.NewLuaScript(`
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
	return 1
end
if held and string.sub(held, 1, 1) ~= 't' then redis.call('DEL', KEYS[1]) end
return 0`)
	// dropScript removes a value or a lease, and replaces a tombstone by one that
	// no writer has the token of. Removing the tombstone would be wrong: its writer
	// may be about to commit, a reader could then fill the value from before the
	// commit, and that value would stay if the writer were killed before its
	// Replace. Keeping the tombstone would be wrong too: its writer may have
	// committed before the write that Drop is called for, and its delayed Replace
	// would publish the older value. The new tombstone prevents both: no Replace
	// has its token, and it expires after the commits of all earlier tombstones.
	dropScript = rueidis.NewLuaScript(`
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) == 't' then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	return 0
end
return redis.call('DEL', KEYS[1])`)
)

// Entry is the result of a read. Without Hit, Value is nil and Lease is the token to
// fill the key with. Lease is empty if the key must not be filled now: another reader
// has the lease, or a write is in progress.
type Entry struct {
	Value []byte
	Hit   bool
	Lease string
}

// Get reads key in one round trip, and takes a lease on it if the key is absent.
// Errors: [ErrDistrusted], [ErrUnavailable], or that of ctx.
func (c *Cache) Get(ctx context.Context, key string) (Entry, error) {
	now := c.trust.now()
	if !c.trusts(now) {
		c.metrics.reads.WithLabelValues("bypass").Inc()
		return Entry{}, ErrDistrusted
	}
	e, err := c.get(ctx, now, key)
	// If trust changed during the call, the response may come from another server
	// than the trusted one.
	if err == nil && c.trust.now() != now {
		e, err = Entry{}, ErrDistrusted
	}
	c.metrics.read(e.Hit, err)
	return e, err
}

func (c *Cache) get(ctx context.Context, now *standing, key string) (Entry, error) {
	lease := newToken(kindLease)
	var held []byte
	absent := false
	err := c.call(ctx, "get", func(ctx context.Context) error {
		var err error
		held, err = c.client.Do(ctx, c.client.B().Set().Key(c.name(now, key)).Value(lease).
			Nx().Get().Px(c.cfg.Lease).Build()).AsBytes()
		absent = rueidis.IsRedisNil(err)
		if absent {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return Entry{}, err
	case absent:
		return Entry{Lease: lease}, nil
	case len(held) > 0 && held[0] == kindValue:
		return Entry{Value: held[1:], Hit: true}, nil
	}
	return Entry{}, nil
}

// Fill stores value, which was read from the database after lease was taken. It stores
// nothing, and returns no error, if a write or another reader has ended the lease, if
// lease is empty, or if value is larger than 1 MiB.
func (c *Cache) Fill(ctx context.Context, key, lease string, value []byte) error {
	now := c.trust.now()
	if lease == "" || len(value) > maxValue {
		return nil
	}
	if now.server == "" {
		return ErrUnavailable
	}
	return c.call(ctx, "fill", func(ctx context.Context) error {
		return fillScript.Exec(ctx, c.client, []string{c.name(now, key)}, []string{lease, stored(value), c.ttl()}).Error()
	})
}

// Forbid puts a tombstone on key before a write commits. Until [Cache.Replace], or for
// Config.Tombstone, no reader sees or fills the key, even if the writer is killed
// after its commit. The writers of a key must call Forbid in the order of their
// commits, that is, while they hold the lock that keeps other writers of the key from
// committing: Replace assumes that a tombstone put after its own belongs to a later
// write. Leave the tombstone in place if the write did not commit, or may not have.
//
// After an error the write may still commit if it records, in the same transaction,
// an invalidation that leads to a later [Cache.Drop] and that Config.Settled takes
// into account; [Cache.Lag] says when such a write may be acknowledged. Replace or
// Drop must always follow the commit, before the write is acknowledged. After an
// error the token is empty, which Replace accepts.
func (c *Cache) Forbid(ctx context.Context, key string) (token string, err error) {
	token = newToken(kindTombstone)
	err = c.write(ctx, "forbid", func(ctx context.Context, now *standing) error {
		return c.client.Do(ctx, c.client.B().Set().Key(c.name(now, key)).Value(token).
			Px(c.cfg.Tombstone).Build()).Error()
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// Replace replaces the write's tombstone by the committed value. If the key holds
// another tombstone, that one stays and the value is not stored; the tombstone's
// writer replaces it, or it expires. Anything else is removed. With an empty token,
// or a value larger than 1 MiB, Replace does what [Cache.Drop] does.
//
// Replace ignores the end of ctx, because the write has been committed. After an
// error the invalidation must be recorded, as described at [Cache.Forbid], before the
// write is acknowledged.
func (c *Cache) Replace(ctx context.Context, key, token string, value []byte) error {
	if token == "" || len(value) > maxValue {
		return c.Drop(ctx, key)
	}
	return c.write(context.WithoutCancel(ctx), "replace", func(ctx context.Context, now *standing) error {
		return replaceScript.Exec(ctx, c.client, []string{c.name(now, key)}, []string{token, stored(value), c.ttl()}).Error()
	})
}

// Drop removes the value or the lease under key: after a write, for a recorded
// invalidation (which is complete once Drop returns nil), or because the value is
// unusable. A tombstone is replaced by one that no writer owns: the key cannot be
// read or filled for another Config.Tombstone, and the writer of the old tombstone
// cannot store its value, which may be older than the write that Drop is called for.
// So Drop is safe at any time, whatever other writers do. It ignores the end of ctx.
func (c *Cache) Drop(ctx context.Context, key string) error {
	return c.write(context.WithoutCancel(ctx), "drop", func(ctx context.Context, now *standing) error {
		return dropScript.Exec(ctx, c.client, []string{c.name(now, key)},
			[]string{newToken(kindTombstone), strconv.FormatInt(c.cfg.Tombstone.Milliseconds(), 10)}).Error()
	})
}

// write makes a call whose effect must reach the server that is in use now.
func (c *Cache) write(ctx context.Context, op string, do func(context.Context, *standing) error) error {
	now := c.trust.now()
	if now.server == "" {
		c.metrics.failed(op)
		return fmt.Errorf("%w: %s: not connected", ErrUnavailable, op)
	}
	err := c.call(ctx, op, func(ctx context.Context) error { return do(ctx, now) })
	if err == nil && c.trust.now().server != now.server {
		c.metrics.failed(op)
		return fmt.Errorf("%w: %s: the server has changed", ErrUnavailable, op)
	}
	return err
}

// call limits the duration of one call to Redis and counts a failure, unless the
// caller's context ended.
func (c *Cache) call(ctx context.Context, op string, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err := do(bounded)
	switch {
	case err == nil:
		c.trust.succeeded()
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("cache: %s: %w", op, ctx.Err())
	}
	c.trust.failed()
	c.metrics.failed(op)
	if errors.Is(err, context.DeadlineExceeded) {
		// Not wrapped: the deadline is the cache's, not the caller's.
		return fmt.Errorf("%w: %s: no response within %s", ErrUnavailable, op, c.cfg.Timeout)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, op, err)
}

// name returns the key in Redis. It ends with the server's run id: a server restored
// from an old snapshot has a new run id, so keys from before its restart are never
// read again and expire.
func (c *Cache) name(now *standing, key string) string {
	return c.cfg.Prefix + key + "@" + now.server
}

// ttl returns the lifetime of a value in milliseconds. Its jitter keeps keys that were
// filled together from expiring together.
func (c *Cache) ttl() string {
	return strconv.FormatInt((c.cfg.TTL - mathrand.N(c.cfg.TTL/5)).Milliseconds(), 10)
}

func newToken(kind byte) string { return string(kind) + rand.Text() }

func stored(value []byte) string { return string(kindValue) + string(value) }
