// Package jpeg decodes and encodes the JPEG files of ITU-T T.81 that pass through a picture service: fast, in
// plain Go, and held to the standard library's image/jpeg, whose pixels and bytes it reproduces.
//
// # Decoder
//
// The source is one byte slice. Entropy-coded data is unstuffed in chunks into a small buffer, from which a
// 64-bit register is filled eight bytes at a time; one lookup of ten bits gives a short Huffman code together
// with the value that follows it. Coefficients are multiplied by their quantiser as they are read and noted in
// a bit mask, so that the inverse DCT works on the rows and columns that hold something.
//
// The segments of the whole file are read first. Then all of its scans, each with a reader of its own at its place in the
// source, go through the picture side by side, one row of units after another, which is complete before the next one
// begins. So nothing has to be kept of the picture but this band: Bands hands it on to a resampler. Sequential
// scans put their samples straight into it; progressive ones bring coefficients, kept as int16 beside one mask a block,
// which also says which coefficients a refinement scan has to visit. Errors are those of the first scan that has any.
//
// At scale 1 the inverse DCT carries out the fixed-point arithmetic of image/jpeg step by step and so gives the
// same pixels. At scales 2, 4 and 8 a 4, 2 or 1-point transform of the low frequencies gives a picture of
// ceil(size/scale) for a fraction of the work and the memory.
//
// What Decode promises at scale 1: a file that image/jpeg decodes gives the same pixels, ErrUnsupported or, when it
// asks for more passes than Options.MaxPasses, ErrTooManyPasses. A file on which image/jpeg fails fails
// here too, but for two kinds that are valid: unusual sampling factors, which image/jpeg takes since Go 1.27, and
// restart intervals in a scan of one subsampled component (T.81 A.2.2 counts its blocks, image/jpeg groups of them).
//
// # Encoder
//
// Append writes a baseline file, 4:2:0 for colour, byte-equal to that of image/jpeg at the same quality: the
// same forward DCT arithmetic, the tables of T.81 annex K, divisions turned into exact multiplications, and
// planes read without a conversion by pixel. With EncoderOptions.Optimize a second pass writes Huffman tables made for
// the picture: the same pixels in fewer bytes.
package jpeg
