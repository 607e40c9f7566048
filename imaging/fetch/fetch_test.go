package fetch_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
)

// site is a web server on loopback and a Fetcher that may connect to it.
type site struct {
	*httptest.Server
	fetcher *fetch.Fetcher
	port    int
}

func newSite(t *testing.T, handler http.HandlerFunc, change func(*fetch.Config)) *site {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &site{Server: server, fetcher: newFetcher(t, server.URL, change), port: portOf(t, server.URL)}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func newFetcher(t *testing.T, address string, change func(*fetch.Config)) *fetch.Fetcher {
	t.Helper()
	cfg := fetch.Config{
		AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, AllowPorts: []int{portOf(t, address)},
	}
	if change != nil {
		change(&cfg)
	}
	f := fetch.New(cfg)
	t.Cleanup(f.Close)
	return f
}

func (s *site) fetch(t *testing.T, path string) (fetch.Source, error) {
	t.Helper()
	src, release, err := s.fetcher.Fetch(t.Context(), s.URL+path, imaging.Validators{}, nil)
	release()
	return src, err
}

func wantError(t *testing.T, err error, code imaging.Code, transient bool) *imaging.Error {
	t.Helper()
	var got *imaging.Error
	if !errors.As(err, &got) {
		t.Fatalf("error is %v, want %s", err, code)
	}
	if got.Code != code || got.Transient != transient || got.Stage != imaging.StageFetch || got.Detail == "" || got.Ours {
		t.Errorf("error is %+v, want %s, transient %v", got, code, transient)
	}
	return got
}

func TestFetch(t *testing.T) {
	t.Parallel()
	file := imagingtest.JPEG(imagingtest.Photo(400, 300, 1), 90, 1)
	for name, chunked := range map[string]bool{"of known length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
				if r.UserAgent() != "vitrine/test" || r.Header.Get("Accept-Encoding") != "identity" ||
					r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" || r.URL.RawQuery != "a=b" {
					http.Error(w, "unexpected request", http.StatusBadRequest)
					return
				}
				http.SetCookie(w, &http.Cookie{Name: "tracked", Value: "yes"})
				if chunked {
					w.WriteHeader(http.StatusOK)
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = w.Write(file)
			}, func(cfg *fetch.Config) { cfg.UserAgent = "vitrine/test" })
			for range 2 { // the second would send a cookie of the first
				src, err := s.fetch(t, "/picture?a=b#fragment")
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(file)
				if !bytes.Equal(src.Body, file) || src.SHA256 != hex.EncodeToString(sum[:]) {
					t.Errorf("%d bytes with digest %s", len(src.Body), src.SHA256)
				}
			}
		})
	}
}

// A server on loopback gets no request, whatever spelling of its address is used.
func TestFetchNeverReachesPrivateAddresses(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Host }))
	t.Cleanup(server.Close)
	port := portOf(t, server.URL)
	strict := fetch.New(fetch.Config{AllowPorts: []int{port}, Timeout: 10 * time.Second})
	t.Cleanup(strict.Close)
	forbidden, invalid := imaging.CodeForbiddenAddress, imaging.CodeInvalidURL
	for host, want := range map[string]imaging.Code{
		"127.0.0.1": forbidden, "localhost": forbidden, "LOCALHOST": forbidden,
		"[::1]": forbidden, "[::ffff:127.0.0.1]": forbidden, "[::ffff:7f00:1]": forbidden, "[0:0:0:0:0:0:0:1]": forbidden,
		"[::127.0.0.1]": forbidden, "[64:ff9b::127.0.0.1]": forbidden, "[2002:7f00:1::1]": forbidden,
		"[fe80::1%25lo]": forbidden, "[::1%25lo]": forbidden, "0.0.0.0": forbidden, "[::]": forbidden,
		"169.254.169.254": forbidden, "10.0.0.1": forbidden,
		"2130706433": invalid, "0x7f000001": invalid, "0x7f.1": invalid, "127.1": invalid, "127.0.1": invalid,
		"0177.0.0.1": invalid, "017700000001": invalid, "127.0.0.1.": invalid, "127.0.0.01": invalid, "0": invalid,
		"256.256.256.256": invalid, "１２７.０.０.１": forbidden, "127。0。0。1": forbidden, "": invalid,
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			_, _, err := strict.Fetch(t.Context(), fmt.Sprintf("http://%s:%d/", host, port), imaging.Validators{}, nil)
			wantError(t, err, want, false)
			select {
			case got := <-asked:
				t.Errorf("the server got a request for %s", got)
			default:
			}
		})
	}
}

func TestFetchRefusesURLs(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(http.ResponseWriter, *http.Request) { t.Error("the server got a request") }, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	for source, want := range map[string]imaging.Code{
		"":                             imaging.CodeInvalidURL,
		"picture.jpg":                  imaging.CodeInvalidURL,
		"//" + host:                    imaging.CodeInvalidURL,
		"ftp://" + host:                imaging.CodeInvalidURL,
		"file:///etc/passwd":           imaging.CodeInvalidURL,
		"gopher://" + host:             imaging.CodeInvalidURL,
		"http:opaque":                  imaging.CodeInvalidURL,
		"http:///path":                 imaging.CodeInvalidURL,
		"http://user@" + host:          imaging.CodeInvalidURL,
		"http://user:secret@" + host:   imaging.CodeInvalidURL,
		"http://@" + host:              imaging.CodeInvalidURL,
		"http://127.0.0.1:notaport/":   imaging.CodeInvalidURL,
		"http://127.0.0.1:70000/":      imaging.CodeInvalidURL,
		"http://127.0.0.1:0/":          imaging.CodeInvalidURL,
		"http://127.0.0.1:22/":         imaging.CodeForbiddenPort,
		"https://127.0.0.1:8443/":      imaging.CodeForbiddenPort,
		"http://127.0.0.1\r\nX: y/":    imaging.CodeInvalidURL,
		"http://[127.0.0.1/":           imaging.CodeInvalidURL,
		"http://no-such-host.invalid/": imaging.CodeHostNotFound,
	} {
		_, _, err := s.fetcher.Fetch(t.Context(), source, imaging.Validators{}, nil)
		var got *imaging.Error
		if !errors.As(err, &got) || got.Code != want {
			t.Errorf("%q: error is %v, want %s", source, err, want)
			continue
		}
		if strings.Contains(got.Error(), "secret") {
			t.Errorf("%q: the error contains the password: %v", source, got)
		}
	}
}

func TestFetchAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(status)
	}, nil)
	past := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	soon := time.Now().Add(50 * time.Minute).UTC().Format(http.TimeFormat)
	tests := []struct {
		path      string
		want      imaging.Code
		transient bool
		from, to  time.Duration // of RetryAfter
	}{
		{"/201", imaging.CodeSourceRejected, false, 0, 0},
		{"/204", imaging.CodeSourceRejected, false, 0, 0},
		{"/206", imaging.CodeSourceRejected, false, 0, 0},
		{"/300", imaging.CodeSourceRejected, false, 0, 0},
		{"/302", imaging.CodeSourceRejected, false, 0, 0}, // without a Location
		{"/304", imaging.CodeSourceRejected, false, 0, 0},
		{"/400", imaging.CodeSourceRejected, false, 0, 0},
		{"/401", imaging.CodeSourceDenied, false, 0, 0},
		{"/403", imaging.CodeSourceDenied, false, 0, 0},
		{"/404", imaging.CodeSourceNotFound, false, 0, 0},
		{"/410", imaging.CodeSourceNotFound, false, 0, 0},
		{"/418", imaging.CodeSourceRejected, false, 0, 0},
		{"/451", imaging.CodeSourceDenied, false, 0, 0},
		{"/408", imaging.CodeSourceUnavailable, true, 0, 0},
		{"/429?after=7", imaging.CodeSourceUnavailable, true, 7 * time.Second, 7 * time.Second},
		{"/500", imaging.CodeSourceUnavailable, true, 0, 0},
		{"/503?after=+5+", imaging.CodeSourceUnavailable, true, 5 * time.Second, 5 * time.Second},
		{"/503?after=-5", imaging.CodeSourceUnavailable, true, 0, 0},
		{"/503?after=soon", imaging.CodeSourceUnavailable, true, 0, 0},
		{"/503?after=99999999999999", imaging.CodeSourceUnavailable, true, time.Hour, time.Hour},
		{"/503?after=" + url.QueryEscape(soon), imaging.CodeSourceUnavailable, true, 30 * time.Minute, 50 * time.Minute},
		{"/503?after=" + url.QueryEscape(past), imaging.CodeSourceUnavailable, true, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			_, err := s.fetch(t, test.path)
			got := wantError(t, err, test.want, test.transient)
			if got.RetryAfter < test.from || got.RetryAfter > test.to {
				t.Errorf("retry after %v, want %v to %v", got.RetryAfter, test.from, test.to)
			}
			if strings.Contains(got.Error(), "after=") {
				t.Errorf("the error contains the query: %v", got)
			}
		})
	}
}

func TestFetchRedirects(t *testing.T) {
	t.Parallel()
	file := imagingtest.PNG(imagingtest.Logo(20, 20))
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a forbidden server got a request") }))
	t.Cleanup(other.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/port":     other.URL,
			"/address":  "http://169.254.169.254/latest/meta-data/",
			"/spelling": "http://2852039166/",
			"/name":     "http://localhost.localdomain.invalid/",
			"/user":     strings.Replace("http://HOST/0", "HOST", "me:secret@"+r.Host, 1),
			"/scheme":   "file:///etc/passwd",
			"/broken":   "http://[::1",
		}[r.URL.Path]
		if n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil {
			if n == 0 {
				_, _ = w.Write(file)
				return
			}
			to = strconv.Itoa(n - 1) // relative
		}
		w.Header().Set("Location", to)
		w.WriteHeader([]int{301, 302, 303, 307, 308}[len(r.URL.Path)%5])
	}, nil)
	for _, path := range []string{"/0", "/1", "/3"} {
		if src, err := s.fetch(t, path); err != nil || !bytes.Equal(src.Body, file) {
			t.Errorf("%s: %d bytes, %v", path, len(src.Body), err)
		}
	}
	for path, want := range map[string]imaging.Code{
		"/4": imaging.CodeForbiddenRedirect, "/port": imaging.CodeForbiddenPort, "/address": imaging.CodeForbiddenAddress,
		"/spelling": imaging.CodeInvalidURL, "/name": imaging.CodeHostNotFound, "/user": imaging.CodeInvalidURL,
		"/scheme": imaging.CodeInvalidURL, "/broken": imaging.CodeForbiddenRedirect,
	} {
		_, err := s.fetch(t, path)
		wantError(t, err, want, false)
	}
}

func TestFetchChecksCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server got a request") }))
	t.Cleanup(server.Close)
	_, _, err := newFetcher(t, server.URL, nil).Fetch(t.Context(), server.URL, imaging.Validators{}, nil)
	wantError(t, err, imaging.CodeConnectFailed, false)
}

func TestFetchRefusesBodies(t *testing.T) {
	t.Parallel()
	file := imagingtest.PNG(imagingtest.Photo(60, 60, 1))
	read := make(chan int, 10)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(file)
		case "/empty":
		case "/html":
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(imagingtest.HTML())
		case "/endless html":
			n := 0
			for n < 10<<20 {
				k, err := w.Write(imagingtest.HTML())
				n += k
				if err != nil {
					break
				}
			}
			read <- n
		case "/announced":
			w.Header().Set("Content-Length", strconv.Itoa(1<<20+1))
			_, _ = w.Write(file)
		case "/endless":
			_, _ = w.Write(file)
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/exact":
			_, _ = w.Write(append(file, make([]byte, 1<<20-len(file))...))
		case "/cut":
			w.Header().Set("Content-Length", strconv.Itoa(len(file)))
			_, _ = w.Write(file[:len(file)/2])
			panic(http.ErrAbortHandler)
		}
	}, func(cfg *fetch.Config) { cfg.MaxBytes = 1 << 20 })
	for path, want := range map[string]imaging.Code{
		"/gzip": imaging.CodeSourceRejected, "/empty": imaging.CodeUnsupportedFormat, "/html": imaging.CodeUnsupportedFormat,
		"/endless%20html": imaging.CodeUnsupportedFormat, "/announced": imaging.CodeBodyTooLarge, "/endless": imaging.CodeBodyTooLarge,
	} {
		_, err := s.fetch(t, path)
		wantError(t, err, want, false)
	}
	if n := <-read; n >= 10<<20 {
		t.Error("a large body was read to its end although it is not a picture")
	}
	if src, err := s.fetch(t, "/exact"); err != nil || len(src.Body) != 1<<20 {
		t.Errorf("a body of exactly the limit: %d bytes, %v", len(src.Body), err)
	}
	_, err := s.fetch(t, "/cut")
	wantError(t, err, imaging.CodeConnectFailed, true)
}

func TestFetchBoundsTheWholeDownload(t *testing.T) {
	t.Parallel()
	file := imagingtest.PNG(imagingtest.Photo(60, 60, 1))
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		if r.URL.Path == "/silent" {
			<-r.Context().Done()
			return
		}
		for i := range file { // each read succeeds
			if _, err := w.Write(file[i : i+1]); err != nil || out.Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}, func(cfg *fetch.Config) { cfg.Timeout = 300 * time.Millisecond })
	for _, path := range []string{"/silent", "/dripping"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := s.fetch(t, path)
			wantError(t, err, imaging.CodeFetchTimeout, true)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFetchSpeaksHTTPOnly(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":        "",
		"another":        "220 mail.example.org ESMTP\r\n",
		"large header":   "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"broken chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"broken lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := "http://" + serveTCP(t, func(_ int, conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = conn.Write([]byte(answer))
			})
			_, _, err := newFetcher(t, address, nil).Fetch(t.Context(), address, imaging.Validators{}, nil)
			wantError(t, err, imaging.CodeConnectFailed, true)
		})
	}
}

func TestFetchOfARefusedConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, _, err := newFetcher(t, server.URL, nil).Fetch(t.Context(), server.URL, imaging.Validators{}, nil)
	wantError(t, err, imaging.CodeConnectFailed, true)
}

func TestFetchReserves(t *testing.T) {
	t.Parallel()
	file := imagingtest.PNG(imagingtest.Photo(60, 60, 1))
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/html" {
			_, _ = w.Write(imagingtest.HTML())
			return
		}
		if r.URL.Path == "/" {
			w.Header().Set("Content-Length", strconv.Itoa(len(file)))
		}
		_, _ = w.Write(file)
	}, func(cfg *fetch.Config) { cfg.MaxBytes, cfg.Timeout = 1<<20, time.Second })
	for path, want := range map[string]int64{"/": int64(len(file)), "/chunked": 1 << 20, "/html": int64(len(imagingtest.HTML()))} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			var reserved, released int64
			_, release, err := s.fetcher.Fetch(t.Context(), s.URL+path, imaging.Validators{}, func(_ context.Context, n int64) (func(), error) {
				// Longer than the time limit, which is paused.
				if path == "/" {
					<-time.After(1200 * time.Millisecond)
				}
				reserved = n
				return func() { released += n }, nil
			})
			if (err != nil) != (path == "/html") {
				t.Fatal(err)
			}
			if reserved != want {
				t.Errorf("%d reserved, want %d", reserved, want)
			}
			if err == nil && released != 0 {
				t.Error("released too early")
			}
			release()
			if released != want {
				t.Errorf("%d released, want %d", released, want)
			}
		})
	}
	stop := errors.New("no memory")
	_, release, err := s.fetcher.Fetch(t.Context(), s.URL, imaging.Validators{}, func(context.Context, int64) (func(), error) { return nil, stop })
	release()
	if !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, nil)
	if _, _, err := s.fetcher.Fetch(ctx, s.URL, imaging.Validators{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
