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

// What Redis holds under a key begins with one of these bytes.
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
	// Another tombstone stays: a value that it hides may be older than the one at
	// hand, but is not shown, and whose it is does not matter. A later writer's
	// ends with that writer's own newer value; any other's, by itself. Anything
	// else was put there after the tombstone was lost, and may be old.
	replaceScript = rueidis.NewLuaScript(`
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
	return 1
end
if held and string.sub(held, 1, 1) ~= 't' then redis.call('DEL', KEYS[1]) end
return 0`)
	// dropScript removes a value or a lease, and puts a tombstone of nobody in
	// the place of a tombstone. To remove it would be wrong: its writer may be
	// about to commit, and a reader could then fill the value before, which stayed
	// if that writer were killed before its Replace. To leave it would be wrong
	// too: its writer may have committed before the write that this call stands
	// for, and its Replace, held up on the way, would then publish what is older.
	// Nobody's tombstone does neither: no Replace has its token, and it ends later
	// than the commit of every tombstone before it.
	dropScript = rueidis.NewLuaScript(`
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) == 't' then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	return 0
end
return redis.call('DEL', KEYS[1])`)
)

// Entry is the answer to a read. Without Hit there is no Value, and Lease is the
// token to fill the key with, or empty when the key must not be filled now:
// another reader is about to, or a write is going on.
type Entry struct {
	Value []byte
	Hit   bool
	Lease string
}

// Get reads key in one round trip, and takes a lease on it if nothing is there.
// Errors: [ErrDistrusted], [ErrUnavailable], or that of ctx.
func (c *Cache) Get(ctx context.Context, key string) (Entry, error) {
	now := c.trust.now()
	if !c.trusts(now) {
		c.metrics.reads.WithLabelValues("bypass").Inc()
		return Entry{}, ErrDistrusted
	}
	e, err := c.get(ctx, now, key)
	// A change of trust while the call was under way means that the answer may
	// come from another server than the one that was trusted.
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

// Fill stores what was read from the database after lease was given, unless a
// write or another reader has come between; that is no error. An empty lease and
// a value above 1 MiB are left alone.
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

// Forbid puts a tombstone on key, before a write commits: until [Cache.Replace]
// or Config.Tombstone, nobody reads or fills the key, also if the writer is killed
// after its commit. Writes of a key must call it in the order of their commits,
// that is, while they hold what keeps the key's other writers from committing:
// Replace relies on it that a tombstone which came after its own belongs to a
// later write. The tombstone of a write that did not commit, or may not have, is
// to be left alone.
//
// After an error the write may still commit if it leaves a record, in the same
// transaction, that makes somebody call [Cache.Drop] later, and that
// Config.Settled sees; it is then acknowledged as [Cache.Lag] says. Replace or
// Drop must follow the commit in any case, before the write is acknowledged; the
// token is empty after an error, which Replace accepts.
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

// Replace puts the committed value in the place of the write's tombstone. Where
// another tombstone is there it stays, and the value is not stored: it is a later
// write's, which will replace it, or nobody's and ends by itself. Anything else
// is removed. A value above 1 MiB, and one without a token, is not stored: the
// call is then one of [Cache.Drop].
//
// It does not heed the end of ctx, since the write it belongs to has happened.
// After an error the invalidation must be recorded before the write is
// acknowledged, as with [Cache.Forbid], unless it is already.
func (c *Cache) Replace(ctx context.Context, key, token string, value []byte) error {
	if token == "" || len(value) > maxValue {
		return c.Drop(ctx, key)
	}
	return c.write(context.WithoutCancel(ctx), "replace", func(ctx context.Context, now *standing) error {
		return replaceScript.Exec(ctx, c.client, []string{c.name(now, key)}, []string{token, stored(value), c.ttl()}).Error()
	})
}

// Drop removes the value or the lease under key, after a write, for a recorded
// invalidation, which is done when Drop gives no error, or for a value that is
// unfit. A tombstone is disowned: the key cannot be read or filled for another
// Config.Tombstone, and the write that put it there cannot store its value, which
// may be older than the one that Drop is called for. So Drop is right at any time,
// whoever else writes or is killed meanwhile. It does not heed the end of ctx.
func (c *Cache) Drop(ctx context.Context, key string) error {
	return c.write(context.WithoutCancel(ctx), "drop", func(ctx context.Context, now *standing) error {
		return dropScript.Exec(ctx, c.client, []string{c.name(now, key)},
			[]string{newToken(kindTombstone), strconv.FormatInt(c.cfg.Tombstone.Milliseconds(), 10)}).Error()
	})
}

// write is a call whose effect must have reached the server that is in use now.
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

// call bounds one exchange with Redis and counts its failure, unless it is the
// caller who has given up.
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
		// Not wrapped: the deadline is the cache's, not that of the caller's context.
		return fmt.Errorf("%w: %s: no answer in %s", ErrUnavailable, op, c.cfg.Timeout)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, op, err)
}

// name is the key in Redis. It ends with the server's run id: a server that was
// restored from an old snapshot has a new one, so that what it held before its
// restart is never read again and expires.
func (c *Cache) name(now *standing, key string) string {
	return c.cfg.Prefix + key + "@" + now.server
}

// ttl gives the milliseconds that a value may live. The jitter keeps keys that
// were filled together from expiring together.
func (c *Cache) ttl() string {
	return strconv.FormatInt((c.cfg.TTL - mathrand.N(c.cfg.TTL/5)).Milliseconds(), 10)
}

func newToken(kind byte) string { return string(kind) + rand.Text() }

func stored(value []byte) string { return string(kindValue) + string(value) }
