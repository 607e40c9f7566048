// Package resize scales pictures of 8-bit samples down, fast and with little memory.
//
// It uses the Catmull-Rom kernel (B=0, C=1/2 of Mitchell and Netravali, "Reconstruction Filters in Computer Graphics", 1988)
// or the Lanczos kernel of three lobes, stretched by the ratio to prevent aliasing, in fixed-point arithmetic. The vertical
// pass comes first, because it can process eight samples of a row at a time as lanes of 64-bit words. The horizontal pass
// then only processes as many rows as the result has, two of them at a time. With GOEXPERIMENT=simd on amd64, both passes
// use AVX2 if the processor has it.
//
// The package imports nothing of the project. Begin with resize.go for whole pictures and scaler.go for rows.
package resize
