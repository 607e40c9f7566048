// Package jpegenc writes baseline JPEG files (ITU-T T.81) and finds the quality that reaches an SSIM target.
//
// Append writes 4:2:0 for colour, byte for byte what image/jpeg writes at the same quality: it uses the same forward DCT
// arithmetic and the tables of T.81 annex K, replaces divisions by exact multiplications, and reads the planes directly.
// With Options.Optimize a second pass writes Huffman tables made for the picture: the same pixels in fewer bytes.
//
// The package may import jpeg/dct and ssim. Begin with append.go; quality_for.go searches for the quality.
package jpegenc
