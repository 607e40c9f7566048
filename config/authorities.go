package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Authorities are the system's certificate authorities and those of a file, whose
// path is its text. The zero value has no Pool.
type Authorities struct {
	Pool *x509.CertPool
	path string
}

// UnmarshalText reads the file of PEM blocks at a path.
func (a *Authorities) UnmarshalText(path []byte) error {
	content, err := os.ReadFile(string(path))
	if err != nil {
		return err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return fmt.Errorf("the system's certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return errors.New("the file holds no certificate in PEM")
	}
	a.Pool, a.path = pool, string(path)
	return nil
}

// String gives the path of the file.
func (a Authorities) String() string { return a.path }
