//go:build !(goexperiment.simd && go1.27 && amd64)

package resize

// vectors does nothing in this build.
type vectors struct{}

func (vectors) prepare(int, int, []window) bool { return false }

func (vectors) row([]byte, [][]byte, window) {}
