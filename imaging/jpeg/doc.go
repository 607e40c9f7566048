// Package jpeg decodes the JPEG files of ITU-T T.81 to the pixels of the standard library's image/jpeg, faster, at reduced
// sizes and in bands.
//
// The package imports only jpeg/dct. Begin with decode.go for pictures and header.go for headers; plan.go and band.go have
// the two phases of decoding. The encoder is in jpeg/jpegenc.
//
// # Design
//
// The source is one byte slice. Entropy-coded data is unstuffed in chunks into a small buffer, from which a 64-bit register
// is filled eight bytes at a time. A look-up of ten bits decodes a short Huffman code together with the value that follows
// it. Coefficients are dequantised as they are read and noted in a bit mask, so that the inverse DCT processes only rows
// and columns with non-zero coefficients.
//
// First, plan reads the segments of the whole file. Then all scans advance through the picture together, one row of units
// (a band) after another, each with a reader at its own position in the source. A band is complete before the next one
// begins, so only one band must be in memory: Bands passes each one to a resampler. Sequential scans write their samples
// directly to the band. Progressive scans fill in coefficients, kept as int16 with one mask per block, which also tells a
// refinement scan which coefficients to visit. If several scans are damaged, the error is that of the first one.
//
// At scale 1 the inverse DCT repeats the fixed-point arithmetic of image/jpeg and so returns the same pixels. At scales 2, 4
// and 8 a 4, 2 or 1-point transform of the low frequencies returns a picture of ceil(size/scale) for a fraction of the time
// and memory.
//
// # Compatibility
//
// At scale 1, a file that image/jpeg decodes results in the same pixels, in ErrUnsupported or, if it needs more passes than
// Options.MaxPasses, in ErrTooManyPasses. A file that image/jpeg rejects is rejected here too, with two exceptions, which
// are valid: unusual sampling factors, which image/jpeg accepts since Go 1.27, and restart intervals in a scan of one
// subsampled component (T.81 A.2.2 counts its blocks; image/jpeg counts groups of blocks).
package jpeg
