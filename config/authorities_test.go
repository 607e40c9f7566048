package config_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuthorities(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	c, err := load(t, "FETCH_CA_FILE="+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: c.FetchCAs.Pool, DNSName: "example.com"}); err != nil {
		t.Errorf("the file's authority is not trusted: %v", err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil || !strings.Contains(out.String(), "FETCH_CA_FILE="+path+"\n") {
		t.Errorf("%v, printed as\n%s", err, out.String())
	}
	if c, err := load(t); err != nil || c.FetchCAs.Pool != nil {
		t.Errorf("without a file: %v, %v", c.FetchCAs.Pool, err)
	}
}
