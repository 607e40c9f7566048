package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// problems collects errors, only the first for each variable.
type problems struct {
	errs  []error
	named map[string]bool
}

func (p *problems) add(name string, err error) {
	if err == nil || p.named[name] {
		return
	}
	if p.named == nil {
		p.named = map[string]bool{}
	}
	p.named[name] = true
	p.errs = append(p.errs, fmt.Errorf("%s: %w", name, err))
}

// check adds a problem for every value that parses but is not valid.
func (c *Config) check(p *problems) {
	p.add("DATABASE_URL", checkURL(c.DatabaseURL, "postgres", "postgresql"))
	p.add("DB_SSLMODE", oneOf(c.DBSSLMode, "disable", "allow", "prefer", "require", "verify-ca", "verify-full"))
	p.add("DB_MAX_CONNS", between(c.DBMaxConns, 2, 500))
	p.add("REDIS_URL", checkURL(c.RedisURL, "redis", "rediss"))
	p.add("RABBITMQ_URL", checkURL(c.RabbitMQURL, "amqp", "amqps"))
	for _, u := range c.RabbitMQURLs {
		p.add("RABBITMQ_URLS", checkURL(u, "amqp", "amqps"))
	}
	if !queueName.MatchString(c.QueuePrefix) {
		p.add("QUEUE_PREFIX", errors.New("must be at most 100 letters, digits, dots, dashes and underscores"))
	}
	p.add("S3_ENDPOINT", checkURL(c.S3Endpoint, "http", "https"))
	p.add("S3_PUBLIC_URL", checkURL(c.S3PublicURL, "http", "https"))
	p.add("S3_UPLOAD_URL", checkURL(c.S3UploadURL, "http", "https"))
	if (c.AWSAccessKey == "") != (c.AWSSecretKey == "") {
		p.add("AWS_ACCESS_KEY", errors.New("must be set together with AWS_SECRET_KEY"))
	}

	p.add("HTTP_ADDR", c.checkHTTPAddr())
	if c.ServesAdmin() {
		p.add("ADMIN_ADDR", checkAddr(c.AdminAddr))
	}
	if c.AdminToken != "" && len(c.AdminToken) < 16 {
		p.add("ADMIN_TOKEN", errors.New("must have at least 16 characters"))
	}
	p.add("EVENT_STREAMS", between(c.EventStreams, 1, 100_000))
	p.add("DRAIN_DELAY", between(c.DrainDelay, 0, 5*time.Second))
	p.add("LOG_LEVEL", oneOf(c.LogLevel, "error", "warn", "info", "debug"))

	p.add("RATE_LIMIT", between(c.RateLimit, 0, 1e6))
	p.add("RATE_LIMIT_ADDRESS", between(c.RateLimitAddress, 0, 1e6))
	for _, network := range c.TrustedProxies {
		if network.Bits() == 0 {
			p.add("TRUSTED_PROXIES", fmt.Errorf("%s trusts every address, so clients could claim any address; list only your proxies", network))
		}
	}
	p.add("TRUSTED_PROXY_HEADER", oneOf(c.ProxyHeader, "X-Forwarded-For", "Forwarded"))
	p.add("MAX_REQUESTS", between(c.MaxRequests, 4, 100_000))

	p.add("WORKERS", between(c.Workers, 0, 256))
	p.add("IMAGE_MAX_ATTEMPTS", between(c.MaxAttempts, 1, 20))
	p.add("IMAGE_OWNER_INFLIGHT", between(c.OwnerJobs, 1, 100000))
	p.add("IMAGE_MEMORY_BUDGET", between(c.MemBudget, minBudget, 1<<40))
	if !(c.SSIMTarget >= 0.8 && c.SSIMTarget <= 0.999) { // false for NaN too
		p.add("IMAGE_QUALITY", errors.New("must be from 0.8 to 0.999"))
	}
	p.add("IMAGE_MAX_PIXELS", between(c.MaxPixels, 1, 1<<30))
	p.add("IMAGE_MAX_SIDE", between(c.MaxSide, 1, 65535))
	for _, size := range c.WebP() {
		p.add("WEBP_SIZES", oneOf(size, "main", "large", "small"))
	}
	p.add("IMAGE_DECODE_TIMEOUT", between(c.DecodeTimeout, 100*time.Millisecond, time.Minute))
	p.add("FETCH_TIMEOUT", between(c.FetchTimeout, 100*time.Millisecond, 5*time.Minute))
	p.add("FETCH_PER_HOST", between(c.FetchPerHost, 0, 256))
	if !p.named["IMAGE_MEMORY_BUDGET"] { // sources may use a quarter of it, see imaging.Processor
		p.add("FETCH_MAX_BYTES", between(c.FetchMaxBytes, 1, c.MemBudget/4))
	}
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,100}$`)

func between[T ~int | ~int64](value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("%v is not between %v and %v", value, low, high)
	}
	return nil
}

func oneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q is not one of %s", value, strings.Join(allowed, ", "))
	}
	return nil
}

// checkURL returns an error if value is neither empty nor a URL with one of the schemes.
// The error contains no part of the URL, which may hold a password.
func checkURL(value string, schemes ...string) error {
	if value == "" {
		return nil
	}
	if strings.Contains(value, "#") {
		return errors.New("must not contain #; write it as %23 in a password")
	}
	u, err := url.Parse(value)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" {
		return fmt.Errorf("must be a URL of the form %s://host", strings.Join(schemes, ":// or "))
	}
	return nil
}

func checkAddr(addr string) error {
	if _, err := net.ResolveTCPAddr("tcp", addr); err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8080 or :8080", addr)
	}
	return nil
}

// checkHTTPAddr rejects addresses beyond loopback while the API is open, so that it is
// not exposed by accident. derive changes an address without a host to loopback.
func (c *Config) checkHTTPAddr() error {
	if err := checkAddr(c.HTTPAddr); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(c.HTTPAddr)
	if host != "" && !isLoopback(host) && !c.mayListenAnywhere() {
		return errors.New("must be a loopback address while the API has no authentication: set ADMIN_TOKEN, or ALLOW_OPEN=true to expose it anyway")
	}
	return nil
}

func (c *Config) mayListenAnywhere() bool { return c.AdminToken != "" || c.AllowOpen }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
