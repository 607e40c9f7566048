package admission_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/product/web/admission"
)

// open sends the beginning of a request over a new connection.
func open(t *testing.T, addr, beginning string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Clients that never finish their headers do not block others.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	const most = 50
	log := logrus.New()
	log.SetOutput(io.Discard)
	listener := httptest.NewUnstartedServer(nil)
	listener.Config = admission.NewServerFor("", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), log, most)
	listener.Start()
	t.Cleanup(listener.Close)
	addr := listener.Listener.Addr().String()

	used := open(t, addr, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	first := open(t, addr, "G")
	for range 3 * most {
		open(t, addr, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
	}
	if res, err := http.Get(listener.URL + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("a normal request: %v %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	for name, conn := range map[string]net.Conn{"a connection that waits": first, "one that was used long ago": used} {
		if err := conn.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // the limit of a header is 5 s
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s is still open", name)
		}
	}
}
