package fetch

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

	"vitrine/imaging"
)

// maxRedirects is the number of redirects that are followed.
const maxRedirects = 3

// Config bounds what a [Fetcher] may connect to and download. A zero field means its
// default.
type Config struct {
	Timeout    time.Duration  // of a whole download, including redirects; 15 s
	MaxBytes   int64          // of a body; 20 MiB
	AllowCIDRs []netip.Prefix // allowed although not public; none
	AllowPorts []int          // allowed besides 80 and 443; none
	RootCAs    *x509.CertPool // trusted certificate authorities; the system's
	UserAgent  string         // "vitrine"
	// HostConnections is the number of pictures that are downloaded from one host at once.
	// [Hosts] defers the others, so that a slow host leaves workers for the rest; 8.
	HostConnections int
	KeptConnections int // idle connections that are kept, to all hosts together; 64
}

func (c Config) withDefaults() Config {
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

// Fetcher downloads pictures from URLs that clients name. It connects only to public
// addresses and to those that its configuration adds. The rule is applied to the address of
// each connection, so no name, redirect or spelling evades it. Safe for concurrent use.
type Fetcher struct {
	cfg       Config
	transport *http.Transport
}

// New returns a Fetcher. It opens no connection.
func New(cfg Config) *Fetcher {
	cfg = cfg.withDefaults()
	return &Fetcher{cfg: cfg, transport: newTransport(cfg)}
}

// Close closes the idle connections.
func (f *Fetcher) Close() { f.transport.CloseIdleConnections() }

// Source is a downloaded picture that has not been decoded.
type Source struct {
	Body       []byte
	SHA256     string             // of Body, lower-case hexadecimal
	Validators imaging.Validators // of the response; none for an upload
}

// Reserve reserves memory for n bytes before they are read. It may wait; the wait does not
// count as download time. release releases the memory.
type Reserve func(ctx context.Context, n int64) (release func(), err error)

// Fetch downloads the picture at source. An error is an [*imaging.Error] with stage fetch, or
// ctx's error if ctx has ended. The first bytes of the body must be those of a
// known format; otherwise the rest is not read.
//
// known holds the validators of an earlier download of the source. If the source has not
// changed since then, Fetch returns [ErrNotModified]. Without validators it always downloads.
//
// reserve may be nil. Fetch releases its memory if it fails. Otherwise release does; release is
// never nil.
func (f *Fetcher) Fetch(
	ctx context.Context, source string, known imaging.Validators, reserve Reserve,
) (src Source, release func(), err error) {
	work, limit := startLimit(ctx, f.cfg.Timeout)
	defer limit.stop()
	release = func() {}
	resp, err := f.open(work, source, known)
	if err != nil {
		return Source{}, release, limit.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // read only: closing cannot lose data
	if resp.StatusCode == http.StatusNotModified && known != (imaging.Validators{}) {
		return Source{}, release, ErrNotModified
	}
	if err := f.checkResponse(resp); err != nil {
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
	return Source{Body: body, SHA256: hex.EncodeToString(sum[:]), Validators: validatorsOf(resp.Header, time.Now())}, release, nil
}

// open follows redirects from source to the final response. It does so without an
// http.Client, so that the URL of each hop passes the same check as the first, and neither
// cookies nor a Referer are sent.
func (f *Fetcher) open(ctx context.Context, source string, known imaging.Validators) (*http.Response, error) {
	target, err := url.Parse(source)
	if err != nil {
		return nil, failed(imaging.CodeInvalidURL, "the source is not a valid URL", nil)
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
			return nil, failed(imaging.CodeForbiddenRedirect, fmt.Sprintf("the source redirects more than %d times", maxRedirects), nil)
		}
		if target.Scheme == "https" && next.Scheme == "http" {
			return nil, failed(imaging.CodeForbiddenRedirect, "the source redirects from https to http", nil)
		}
		target = next
	}
}

// get sends one request.
func (f *Fetcher) get(ctx context.Context, target *url.URL, known imaging.Validators) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, failed(imaging.CodeInvalidURL, "the source is not a valid URL", nil)
	}
	req.Header.Set("User-Agent", f.cfg.UserAgent)
	req.Header.Set("Accept", "image/webp, image/png, image/jpeg, image/gif")
	req.Header.Set("Accept-Encoding", "identity")
	setConditions(req.Header, known)
	resp, err := f.transport.RoundTrip(req)
	if err != nil {
		return nil, connectError(target.Hostname(), err)
	}
	return resp, nil
}

// redirect returns the target of a redirect, or nil for a final response. It closes the body
// of a redirect.
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
		return nil, failed(imaging.CodeSourceRejected, "the source redirects without a Location", nil)
	}
	next, err := from.Parse(location)
	if err != nil {
		return nil, failed(imaging.CodeForbiddenRedirect, "the source redirects to an invalid URL", nil)
	}
	return next, nil
}
