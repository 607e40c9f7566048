// Package cache keeps byte strings under keys in Redis so that nobody reads a
// value older than the last acknowledged write, on any replica.
//
// A reader that misses takes a lease on the key and may fill it only while the
// lease is still there ([Cache.Get], [Cache.Fill]). A writer puts a tombstone on
// the key before it commits ([Cache.Forbid]), which ends every lease, and
// afterwards puts the new value in its place ([Cache.Replace]) or, having nothing
// to show, sees to it that nothing is shown ([Cache.Drop]). [Cache.Fetch] is the
// whole read: cache, else database.
//
// The writers of a key put their tombstones in the order in which they commit. So
// the last tombstone is that of the last commit or of one that is going on, and
// only its owner can end it before its time. A writer that is killed between its
// commit and its Replace leaves a tombstone, never an old value.
//
// Redis may be down at any time, also when the process starts. What it held
// before cannot be trusted when it returns, because writes went on without it:
// see [Cache.Run].
package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
	"github.com/sirupsen/logrus"
)

var (
	// ErrUnavailable says that Redis did not do what it was asked, or was not
	// asked because it has been failing.
	ErrUnavailable = errors.New("cache: unavailable")
	// ErrDistrusted says that Redis may answer, but that what it holds may
	// miss writes. It counts as a miss that cannot be filled.
	ErrDistrusted = errors.New("cache: not trusted")
	// ErrBusy says that too many loads were running and none of them ended in time.
	ErrBusy = errors.New("cache: too many loads")
)

// maxTTL bounds how long a value can outlive a defect of the protocol.
const maxTTL = 10 * time.Minute

// Config says where Redis is and how long things may take. A zero value takes
// the default that stands beside it.
type Config struct {
	// URL is a redis://, rediss:// or unix:// URL. It wins over Addr (host:port),
	// Username, Password and DB.
	URL      string
	Addr     string
	Username string
	Password string
	DB       int
	// Prefix stands before every key, so that installations can share a server.
	Prefix string

	Timeout   time.Duration // of one call: 100 ms
	TTL       time.Duration // of a value: 10 minutes, which is also the most; up to a fifth less, at random
	Tombstone time.Duration // longer than the longest commit: 15 s
	Lease     time.Duration // of a reader: 5 s
	// Probe is the time between two looks at Redis, 500 ms, and how long one
	// may take. It should not be shorter than Timeout, and must be the same in
	// all replicas: see [Cache.Run].
	Probe time.Duration

	LoadTimeout time.Duration // of one load in Fetch: 3 s
	LoadWait    time.Duration // for one of MaxLoads before ErrBusy: 1 s
	MaxLoads    int           // at once in this process: 64

	// Settled says that no invalidation which Redis missed is waiting to be
	// repeated. It is asked before Redis is trusted, when it has LoadTimeout to
	// answer, and then every Probe, for as long; nil stands for always.
	Settled func(context.Context) (bool, error)
	// Registerer gets the metrics vitrine_cache_...; nil for none.
	Registerer prometheus.Registerer
}

// Cache is a client of one Redis server, 7.0 or later. All methods are safe for
// concurrent use.
type Cache struct {
	cfg     Config
	log     *logrus.Logger
	client  rueidis.Client
	trust   *trust
	flights *flights
	metrics metrics
	close   sync.Once
}

// New makes a cache. Redis need not be there: New waits half a second for it at
// most and only a bad Config is an error. Nothing is read from the cache until
// [Cache.Run] has found Redis trustworthy.
func New(cfg Config, log *logrus.Logger) (*Cache, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	opt, err := cfg.clientOption()
	if err != nil {
		return nil, err
	}
	c := &Cache{cfg: cfg, log: log, trust: newTrust()}
	c.flights = newFlights(cfg.MaxLoads, cfg.LoadWait)
	if c.metrics, err = newMetrics(cfg.Registerer, c.Trusted); err != nil {
		return nil, err
	}
	dial := opt.DialCtxFn
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
		// The server behind a new connection may be another one, or the same
		// one after a restart. This runs before anything is sent to it.
		c.trust.dialled()
		return dial(ctx, addr, d, t)
	}
	// With ForceSingleClient there is a client even where there is an error.
	if c.client, err = rueidis.NewClient(opt); c.client == nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return c, nil
}

// Check asks Redis for an answer and is meant for readiness reports. Trust is
// no part of it: an untrusted cache is slower, not broken.
func (c *Cache) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if err := c.client.Do(ctx, c.client.B().Ping().Build()).Error(); err != nil {
		return fmt.Errorf("%w: ping: %w", ErrUnavailable, err)
	}
	return nil
}

// Trusted says whether reads are answered from Redis at this moment.
func (c *Cache) Trusted() bool { return c.trusts(c.trust.now()) }

// Close ends the connection. Calls after it give [ErrUnavailable].
func (c *Cache) Close() { c.close.Do(c.client.Close) }

func (cfg *Config) setDefaults() error {
	for _, d := range []struct {
		name    string
		value   *time.Duration
		def     time.Duration
		atLeast time.Duration
	}{
		{"Timeout", &cfg.Timeout, 100 * time.Millisecond, time.Millisecond},
		{"TTL", &cfg.TTL, maxTTL, 10 * time.Millisecond},
		{"Tombstone", &cfg.Tombstone, 15 * time.Second, time.Millisecond},
		{"Lease", &cfg.Lease, 5 * time.Second, time.Millisecond},
		{"Probe", &cfg.Probe, 500 * time.Millisecond, time.Millisecond},
		{"LoadTimeout", &cfg.LoadTimeout, 3 * time.Second, time.Millisecond},
		{"LoadWait", &cfg.LoadWait, time.Second, time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < d.atLeast {
			return fmt.Errorf("cache: %s must be %s or more", d.name, d.atLeast)
		}
	}
	if cfg.TTL > maxTTL {
		return fmt.Errorf("cache: TTL must be %s or less", maxTTL)
	}
	if cfg.MaxLoads == 0 {
		cfg.MaxLoads = 64
	}
	if cfg.MaxLoads < 0 {
		return errors.New("cache: MaxLoads must be positive")
	}
	return nil
}

// clientOption never puts the URL into an error, since it may hold a password.
func (cfg *Config) clientOption() (rueidis.ClientOption, error) {
	opt := rueidis.ClientOption{
		InitAddress: []string{cfg.Addr},
		Username:    cfg.Username,
		Password:    cfg.Password,
		SelectDB:    cfg.DB,
	}
	if cfg.URL != "" {
		u, err := url.Parse(cfg.URL)
		if err != nil {
			return opt, errors.New("cache: the Redis URL cannot be parsed")
		}
		if u.Path == "/" {
			u.Path = "" // which the client would take for a bad database number
		}
		if opt, err = rueidis.ParseURL(u.String()); err != nil {
			return opt, errors.New("cache: the Redis URL is not redis://[user:password@]host[:port][/database]")
		}
	} else if cfg.Addr == "" {
		return opt, errors.New("cache: neither URL nor Addr is given")
	}
	if opt.DialCtxFn == nil {
		opt.DialCtxFn = dialTCP
	}
	opt.ForceSingleClient = true
	opt.DisableRetry = true // a retry would outlive the call's deadline
	opt.DisableCache = true // plain reads: a local copy would be some ms late
	// One connection keeps the order of this replica's calls, and a new one
	// is always a reason to doubt. Pipelining on it lets a call give up
	// without closing it under the others.
	opt.PipelineMultiplex = -1
	opt.AlwaysPipelining = true
	opt.RingScaleEachConn = 12 // 4,096 calls in flight; the next one would block
	opt.Dialer.Timeout = 500 * time.Millisecond
	opt.ConnWriteTimeout = time.Second
	return opt, nil
}

func dialTCP(ctx context.Context, addr string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
	if t == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", addr)
}
