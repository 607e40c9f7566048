//go:build !(goexperiment.simd && go1.27 && amd64)

package resize

// scaleVectors does nothing: this build has no vectors.
func scaleVectors([]byte, int, Source, Axis, Axis) bool { return false }
