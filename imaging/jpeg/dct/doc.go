// Package dct transforms the 8x8 blocks of JPEG files between samples and coefficients, with the fixed-point arithmetic of
// image/jpeg, so that pixels and bytes come out the same.
//
// Forward serves the encoder, Inverse the decoder at full size, and Inverse4, Inverse2 and Inverse1 its smaller scales.
// The package imports nothing of the project. Begin with block.go.
package dct
