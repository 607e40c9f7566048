// Package jpeg is a fast JPEG (ITU-T T.81) decoder and encoder in plain Go. It reproduces the pixels and bytes of the
// standard library's image/jpeg, and its tests compare it with that package.
//
// It imports no other package of the project. Begin reading with decode.go and encode.go.
//
// # Decoder
//
// The source is one byte slice. Entropy-coded data is unstuffed in chunks into a small buffer, from which a
// 64-bit register is filled eight bytes at a time. One lookup of ten bits decodes a short Huffman code together
// with the value that follows it. Coefficients are dequantised as they are read and marked in a bit mask, so that the
// inverse DCT only processes rows and columns that are not zero.
//
// The segments of the whole file are parsed first. Then all scans, each with its own reader at its position in the
// source, are decoded in step, one row of units at a time. So only one row of units, a band, has to be in memory,
// and Bands passes it to a resampler. Sequential scans write samples directly. Progressive scans write coefficients,
// stored as int16 with one mask per block, which also shows which coefficients a refinement scan has to visit. If
// several scans fail, the error is that of the first one.
//
// At scale 1 the inverse DCT follows the fixed-point arithmetic of image/jpeg exactly and so produces the same
// pixels. At scales 2, 4 and 8 a 4, 2 or 1-point transform of the low frequencies produces a picture of
// ceil(size/scale) pixels with a fraction of the work and memory.
//
// At scale 1, for a file that image/jpeg decodes, Decode returns the same pixels, ErrUnsupported or, if the file needs
// more passes than Options.MaxPasses, ErrTooManyPasses. A file that image/jpeg rejects is rejected here too, with two
// exceptions that are valid: unusual sampling factors, which image/jpeg accepts since Go 1.27, and restart intervals
// in a scan of one subsampled component (T.81 A.2.2 counts its blocks, image/jpeg groups of them).
//
// # Encoder
//
// Append writes a baseline file, 4:2:0 for colour, with the same bytes as image/jpeg at the same quality. It uses the
// same forward DCT arithmetic and the tables of T.81 annex K, replaces divisions by exact multiplications, and reads
// planes without converting pixels. With EncoderOptions.Optimize it computes Huffman tables for the picture: the same
// pixels in fewer bytes.
package jpeg
