package producttest

import (
	"testing"

	"vitrine/bench/testenv"
)

// Proxy is [testenv.Proxy].
type Proxy = testenv.Proxy

// NewProxy calls [testenv.NewProxy].
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	return testenv.NewProxy(t, upstream)
}
