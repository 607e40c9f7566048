package imaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRedirects is how many redirects of a source are followed.
const maxRedirects = 3

// FetchConfig sets what a [Fetcher] may reach and take. The zero value of a field
// stands for its default.
type FetchConfig struct {
	Timeout    time.Duration  // for a whole download, redirects included; 15 s
	MaxBytes   int64          // of a body; 20 MiB
	AllowCIDRs []netip.Prefix // reachable although not public; none
	AllowPorts []int          // beside 80 and 443; none
	UserAgent  string         // "vitrine"
}

func (c FetchConfig) withDefaults() FetchConfig {
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 20 << 20
	}
	if c.UserAgent == "" {
		c.UserAgent = "vitrine"
	}
	return c
}

// Fetcher downloads the pictures that strangers name. It reaches only public
// addresses and those that its configuration adds, whatever names, redirects and
// spellings lead there: the rule is applied to the address of each connection.
// Safe for concurrent use.
type Fetcher struct {
	cfg       FetchConfig
	transport *http.Transport
}

// NewFetcher makes a Fetcher; it opens no connection.
func NewFetcher(cfg FetchConfig) *Fetcher {
	cfg = cfg.withDefaults()
	return &Fetcher{cfg: cfg, transport: newTransport(cfg)}
}

// Close drops the connections that are kept for reuse.
func (f *Fetcher) Close() { f.transport.CloseIdleConnections() }

// Source is a downloaded picture that was not looked into yet.
type Source struct {
	Body   []byte
	SHA256 string // of Body, lower-case hexadecimal
}

// Reserve asks for room for n bytes before they are read and gives a function
// that returns it. It may wait; the wait does not count as download time.
type Reserve func(ctx context.Context, n int64) (release func(), err error)

// Fetch downloads the picture at source. A failure is an [*Error] with stage
// fetch, unless ctx has ended: then it is ctx's error. The body's first bytes
// have to be those of a known format; what is not a picture is not read on.
// reserve may be nil; the room it gave is returned when Fetch fails and by
// release, which is never nil.
func (f *Fetcher) Fetch(ctx context.Context, source string, reserve Reserve) (src Source, release func(), err error) {
	work, limit := startLimit(ctx, f.cfg.Timeout)
	defer limit.stop()
	release = func() {}
	resp, err := f.open(work, source)
	if err != nil {
		return Source{}, release, limit.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from: nothing can be lost
	if err := f.acceptable(resp); err != nil {
		return Source{}, release, err
	}
	if reserve != nil {
		size := resp.ContentLength
		if size < 0 {
			size = f.cfg.MaxBytes
		}
		limit.pause()
		if release, err = reserve(ctx, size); err != nil {
			return Source{}, func() {}, err
		}
		limit.resume()
	}
	body, err := readBody(resp.Body, resp.ContentLength, f.cfg.MaxBytes)
	if err != nil {
		release()
		return Source{}, func() {}, limit.explain(err)
	}
	sum := sha256.Sum256(body)
	return Source{Body: body, SHA256: hex.EncodeToString(sum[:])}, release, nil
}

// open follows the redirects from source to the answer that is none. Redirects
// are followed here, not by an http.Client, so that each hop's URL passes the
// same check as the first, and no cookie or Referer travels along.
func (f *Fetcher) open(ctx context.Context, source string) (*http.Response, error) {
	target, err := url.Parse(source)
	if err != nil {
		return nil, failed(CodeInvalidURL, "the source is not a valid URL", nil)
	}
	for hop := 0; ; hop++ {
		if err := f.checkURL(target); err != nil {
			return nil, err
		}
		resp, err := f.get(ctx, target)
		if err != nil {
			return nil, err
		}
		next, err := redirect(target, resp)
		if err != nil || next == nil {
			return resp, err
		}
		if hop == maxRedirects {
			return nil, failed(CodeForbiddenRedirect, fmt.Sprintf("more than %d redirects", maxRedirects), nil)
		}
		if target.Scheme == "https" && next.Scheme == "http" {
			return nil, failed(CodeForbiddenRedirect, "redirected from https to http", nil)
		}
		target = next
	}
}

func (f *Fetcher) get(ctx context.Context, target *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, failed(CodeInvalidURL, "the source is not a valid URL", nil)
	}
	req.Header.Set("User-Agent", f.cfg.UserAgent)
	req.Header.Set("Accept", "image/webp, image/png, image/jpeg, image/gif")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := f.transport.RoundTrip(req)
	if err != nil {
		return nil, connectError(target.Hostname(), err)
	}
	return resp, nil
}

// redirect gives where the answer points on to, or nil for one that is final. It
// closes the body of a redirect.
func redirect(from *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	_ = resp.Body.Close() // its content is of no interest
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, failed(CodeSourceRejected, "redirected without saying where to", nil)
	}
	next, err := from.Parse(location)
	if err != nil {
		return nil, failed(CodeForbiddenRedirect, "redirected to an invalid URL", nil)
	}
	return next, nil
}

// checkURL refuses what must not even be looked up.
func (f *Fetcher) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return failed(CodeInvalidURL, "only http and https URLs are fetched", nil)
	case host == "" || u.Opaque != "":
		return failed(CodeInvalidURL, "the URL has no host", nil)
	case u.User != nil:
		return failed(CodeInvalidURL, "the URL has a user name", nil)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return failed(CodeInvalidURL, "the URL's port is not a port", nil)
		}
		if n != 80 && n != 443 && !slices.Contains(f.cfg.AllowPorts, n) {
			return failed(CodeForbiddenPort, fmt.Sprintf("port %d is not fetched from", n), nil)
		}
	}
	addr, err := netip.ParseAddr(host)
	if err == nil {
		if err := Allowed(addr, f.cfg.AllowCIDRs); err != nil {
			return failed(CodeForbiddenAddress, fmt.Sprintf("%s is not a public address", addr), err)
		}
		return nil
	}
	if endsInNumber(host) {
		return failed(CodeInvalidURL, "the URL's host is a number, but no IPv4 address in its usual form", nil)
	}
	return nil
}

// endsInNumber reports whether a host can only be meant as an IPv4 address (WHATWG
// URL, "ends in a number checker"). Resolvers disagree about such spellings, such
// as 2130706433 and 0x7f.1: they are not passed on to one.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, isHex := strings.CutPrefix(strings.ToLower(last), "0x")
	return isHex && strings.Trim(digits, "0123456789abcdef") == ""
}
