package imaging

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
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
	RootCAs    *x509.CertPool // whose certificates are trusted; the system's
	UserAgent  string         // "vitrine"
	// HostConnections is how many pictures are downloaded from one host at once
	// (a [Worker] puts the others off), so that a slow host leaves workers for the
	// rest; 8.
	HostConnections int
	KeptConnections int // idle ones that are kept for the next picture, of all hosts; 64
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
	if c.HostConnections <= 0 {
		c.HostConnections = 8
	}
	if c.KeptConnections <= 0 {
		c.KeptConnections = 64
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
	Body       []byte
	SHA256     string     // of Body, lower-case hexadecimal
	Validators Validators // of the answer; none for an upload
}

// Reserve asks for room for n bytes before they are read and gives a function
// that returns it. It may wait; the wait does not count as download time.
type Reserve func(ctx context.Context, n int64) (release func(), err error)

// Fetch downloads the picture at source. A failure is an [*Error] with stage
// fetch, unless ctx has ended: then it is ctx's error. The body's first bytes
// have to be those of a known format; what is not a picture is not read on.
//
// Where the picture was downloaded before, known are the validators that the answer
// had: it then gives [ErrNotModified] where the source says that the picture is still
// the same. Without validators it always downloads.
//
// reserve may be nil; the room it gave is returned when Fetch fails and by
// release, which is never nil.
func (f *Fetcher) Fetch(
	ctx context.Context, source string, known Validators, reserve Reserve,
) (src Source, release func(), err error) {
	work, limit := startLimit(ctx, f.cfg.Timeout)
	defer limit.stop()
	release = func() {}
	resp, err := f.open(work, source, known)
	if err != nil {
		return Source{}, release, limit.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from: nothing can be lost
	if resp.StatusCode == http.StatusNotModified && known != (Validators{}) {
		return Source{}, release, ErrNotModified
	}
	if err := f.acceptable(resp); err != nil {
		drain(resp)
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
	return Source{Body: body, SHA256: hex.EncodeToString(sum[:]), Validators: validators(resp.Header, time.Now())}, release, nil
}

// open follows the redirects from source to the answer that is none. Redirects
// are followed here, not by an http.Client, so that each hop's URL passes the
// same check as the first, and no cookie or Referer travels along.
func (f *Fetcher) open(ctx context.Context, source string, known Validators) (*http.Response, error) {
	target, err := url.Parse(source)
	if err != nil {
		return nil, failed(CodeInvalidURL, "the source is not a valid URL", nil)
	}
	for hop := 0; ; hop++ {
		if err := f.checkURL(target); err != nil {
			return nil, err
		}
		resp, err := f.get(ctx, target, known)
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

func (f *Fetcher) get(ctx context.Context, target *url.URL, known Validators) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, failed(CodeInvalidURL, "the source is not a valid URL", nil)
	}
	req.Header.Set("User-Agent", f.cfg.UserAgent)
	req.Header.Set("Accept", "image/webp, image/png, image/jpeg, image/gif")
	req.Header.Set("Accept-Encoding", "identity")
	known.ask(req.Header)
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
	drain(resp)
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
