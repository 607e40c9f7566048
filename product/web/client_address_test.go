package web_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"vitrine/product/web"
	"vitrine/product/web/admission"
)

// trusting is the limits of a service behind proxies, on this machine and in private
// networks.
func trusting(header string) admission.Limits {
	return admission.Limits{ProxyHeader: header, TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}}
}

// clientIP returns the address that the service uses as the client's.
func clientIP(t *testing.T, s *server, id string, headers map[string][]string) any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("X-Request-ID", id)
	s.do(t, req)
	return s.logs.wait(t, "Request processed", id)["client_ip"]
}

func TestClientAddressBehindProxies(t *testing.T) {
	t.Parallel()
	for header, cases := range map[string]map[string]string{
		// Header lines are separated by |.
		"X-Forwarded-For": {
			"":                                   "127.0.0.1",
			"203.0.113.7":                        "203.0.113.7",
			" 203.0.113.7 ":                      "203.0.113.7",
			"203.0.113.7:4711":                   "203.0.113.7",
			"2001:db8::7":                        "2001:db8::7",
			"[2001:db8::7]":                      "2001:db8::7",
			"[2001:db8::7]:4711":                 "2001:db8::7",
			"::ffff:203.0.113.7":                 "203.0.113.7",
			"198.51.100.1, 203.0.113.7":          "203.0.113.7", // the first one is forged
			"10.1.1.1, 203.0.113.7":              "203.0.113.7",
			"127.0.0.1, 203.0.113.7":             "203.0.113.7",
			"203.0.113.7, 10.0.0.9":              "203.0.113.7", // through two proxies
			"198.51.100.1, 203.0.113.7, fd00::1": "203.0.113.7",
			"203.0.113.7 | 10.0.0.9":             "203.0.113.7",
			"203.0.113.7 | 198.51.100.1":         "198.51.100.1",
			"10.0.0.8, 10.0.0.9":                 "10.0.0.8", // a client in the private network
			"203.0.113.7, unknown":               "127.0.0.1",
			"203.0.113.7, 10.0.0.9x":             "127.0.0.1",
			"203.0.113.7,":                       "127.0.0.1",
			"203.0.113.7, , 10.0.0.9":            "10.0.0.9",
			",10.0.0.9":                          "10.0.0.9",
			"fe80::1%eth0":                       "127.0.0.1",
			"[203.0.113.7]":                      "127.0.0.1",
			"203.0.113.07":                       "127.0.0.1",
			"203.0.113.7|":                       "127.0.0.1",
			strings.Repeat("10.0.0.9, ", 2000) + "10.0.0.9": "10.0.0.9",
		},
		"Forwarded": {
			"":                "127.0.0.1",
			"for=203.0.113.7": "203.0.113.7",
			"For=203.0.113.7;proto=https;by=10.0.0.1": "203.0.113.7",
			`proto=https; for="203.0.113.7:4711"`:     "203.0.113.7",
			"for=203.0.113.7:4711":                    "203.0.113.7",
			`for="[2001:db8::7]:4711"`:                "2001:db8::7",
			"for=198.51.100.1, for=203.0.113.7":       "203.0.113.7",
			`for=203.0.113.7, for="[fd00::1]"`:        "203.0.113.7",
			"for=203.0.113.7 | for=10.0.0.9":          "203.0.113.7",
			"for=203.0.113.7, for=unknown":            "127.0.0.1",
			"for=203.0.113.7, for=_hidden":            "127.0.0.1",
			"for=203.0.113.7, proto=https":            "127.0.0.1",
			"for=203.0.113.7;for=198.51.100.1":        "127.0.0.1",
			`for="198.51.100.1, for=203.0.113.7`:      "127.0.0.1", // a client's quote must not swallow what a proxy added
			`for="x, for="[2001:db8::7]"`:             "127.0.0.1",
			`for="203.0.113.\7"`:                      "127.0.0.1",
			"203.0.113.7":                             "127.0.0.1",
			"for=203.0.113.7,":                        "127.0.0.1",
			"for=[2001:db8::7]":                       "127.0.0.1",
		},
	} {
		s := serve(t, web.Config{Limits: trusting(header)}, web.Services{})
		n := 0
		for value, want := range cases {
			n++
			lines := strings.Split(value, "|")
			if value == "" {
				lines = nil
			}
			// The client may have sent the other header, so it is ignored.
			other := map[string]string{"X-Forwarded-For": "Forwarded", "Forwarded": "X-Forwarded-For"}[header]
			got := clientIP(t, s, fmt.Sprint(header, n), map[string][]string{header: lines, other: {"198.51.100.66"}})
			if got != want {
				t.Errorf("%s: %.80q: got %v, want %s", header, value, got, want)
			}
		}
	}
}

func TestForwardingHeadersOfStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, web.Services{})
	headers := map[string][]string{"X-Forwarded-For": {"203.0.113.7"}, "Forwarded": {"for=203.0.113.7"}}
	for _, id := range []string{"one", "two"} {
		if got := clientIP(t, s, id, headers); got != "127.0.0.1" {
			t.Errorf("the client is %v", got)
		}
	}
	if lines := s.logs.all(t, "A proxy that is not in TRUSTED_PROXIES forwards requests; all of its clients share one rate limit"); len(lines) != 1 {
		t.Errorf("%d log lines hint at a proxy that nobody has declared, want 1", len(lines))
	}
}
