package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Authorities are the system's certificate authorities and those of a file. Its text form
// is the path of the file. The zero value has a nil Pool.
type Authorities struct {
	Pool *x509.CertPool
	path string
}

// UnmarshalText reads PEM certificates from the file at path.
func (a *Authorities) UnmarshalText(path []byte) error {
	content, err := os.ReadFile(string(path))
	if err != nil {
		return err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return errors.New("the file has no PEM certificate")
	}
	a.Pool, a.path = pool, string(path)
	return nil
}

// String returns the path of the file.
func (a Authorities) String() string { return a.path }
