package worker_test

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
	"vitrine/imaging/imagingtest"
)

// sourceServer is a web server on loopback that serves sources to a worker.
type sourceServer struct {
	*httptest.Server
	port int
}

func newSourceServer(t *testing.T, handler http.HandlerFunc) *sourceServer {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return &sourceServer{Server: server, port: port}
}

// fetcher returns a Fetcher that may connect to the server.
func (s *sourceServer) fetcher(t *testing.T, cfg fetch.Config) *fetch.Fetcher {
	t.Helper()
	cfg.AllowCIDRs, cfg.AllowPorts = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, []int{s.port}
	f := fetch.New(cfg)
	t.Cleanup(f.Close)
	return f
}

func serveLogo(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(imagingtest.PNG(imagingtest.Logo(40, 30)))
}

// checkFile checks that a stored file has the format and the size of its variant.
func checkFile(t *testing.T, v imaging.Variant, body []byte) {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", v.Key, err)
	}
	if format != v.Format || m.Bounds().Dx() != v.Width || m.Bounds().Dy() != v.Height {
		t.Errorf("%s is a %s of %v, want a %s of %d x %d", v.Key, format, m.Bounds(), v.Format, v.Width, v.Height)
	}
}
