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
	// ErrUnavailable means that a call to Redis failed, or was not made because
	// the breaker is open.
	ErrUnavailable = errors.New("cache: unavailable")
	// ErrDistrusted means that Redis is not trusted yet because its contents may
	// miss writes. It counts as a miss that must not be filled.
	ErrDistrusted = errors.New("cache: not trusted")
	// ErrBusy means that Config.MaxLoads loads were running and none ended within
	// Config.LoadWait.
	ErrBusy = errors.New("cache: too many loads")
)

// maxTTL bounds how long a value can outlive a defect of the protocol.
const maxTTL = 10 * time.Minute

// Config configures a [Cache]: the address of Redis, and time limits. A field that
// is zero gets the default in its comment.
type Config struct {
	// URL is a redis://, rediss:// or unix:// URL. It takes precedence over Addr
	// (host:port), Username, Password and DB.
	URL      string
	Addr     string
	Username string
	Password string
	DB       int
	// Prefix begins every key, so that installations can share a server.
	Prefix string

	Timeout   time.Duration // of one call: 100 ms
	TTL       time.Duration // of a value: 10 minutes, which is also the maximum; reduced by up to a fifth at random
	Tombstone time.Duration // longer than the longest commit: 15 s
	Lease     time.Duration // of a reader: 5 s
	// Probe is the interval between health checks of Redis and the time limit of
	// one: 500 ms. It should not be shorter than Timeout, and must be the same in
	// all replicas: see [Cache.Run].
	Probe time.Duration

	LoadTimeout time.Duration // of one load in Fetch: 3 s
	LoadWait    time.Duration // for a free load before ErrBusy: 1 s
	MaxLoads    int           // concurrent loads in this process: 64

	// Settled reports whether every invalidation that Redis missed has been
	// repeated. It is called before Redis is trusted, with a limit of LoadTimeout,
	// and then in every probe, with a limit of Probe. Nil means always true.
	Settled func(context.Context) (bool, error)
	// Registerer registers the metrics vitrine_cache_...; nil registers none.
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

// New returns a cache. Redis may be down: New waits for it for half a second at
// most, and returns an error only if Config is invalid. Nothing is read from the
// cache until [Cache.Run] trusts Redis.
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
		// A new connection may lead to another server, or to the same one after
		// a restart. This runs before anything is sent.
		c.trust.dialled()
		return dial(ctx, addr, d, t)
	}
	// With ForceSingleClient a client is returned even with an error.
	if c.client, err = rueidis.NewClient(opt); c.client == nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return c, nil
}

// Check pings Redis, for readiness reports. It does not consider trust: an
// untrusted cache is slower, not broken.
func (c *Cache) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if err := c.client.Do(ctx, c.client.B().Ping().Build()).Error(); err != nil {
		return fmt.Errorf("%w: ping: %w", ErrUnavailable, err)
	}
	return nil
}

// Trusted reports whether reads are answered from Redis at this moment.
func (c *Cache) Trusted() bool { return c.trusts(c.trust.now()) }

// Close closes the connection. Later calls return [ErrUnavailable]. It may be called
// more than once.
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

// clientOption returns the options of the Redis client. Its errors never contain the
// URL, which may hold a password.
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
			u.Path = "" // the client would reject it as a database number
		}
		if opt, err = rueidis.ParseURL(u.String()); err != nil {
			return opt, errors.New("cache: the Redis URL must have the form redis://[user:password@]host[:port][/database]")
		}
	} else if cfg.Addr == "" {
		return opt, errors.New("cache: set URL or Addr")
	}
	if opt.DialCtxFn == nil {
		opt.DialCtxFn = dialTCP
	}
	opt.ForceSingleClient = true
	opt.DisableRetry = true // a retry would outlive the call's deadline
	opt.DisableCache = true // a local copy would lag by some milliseconds
	// A single connection keeps this replica's calls in order, and every new
	// connection ends trust. With pipelining a call can time out without closing
	// the connection under the others.
	opt.PipelineMultiplex = -1
	opt.AlwaysPipelining = true
	opt.RingScaleEachConn = 12 // 4,096 calls in flight before the next one blocks
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
