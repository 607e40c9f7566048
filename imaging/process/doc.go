// Package process turns the bytes of a source into variants: it reads the header, decodes,
// converts colours to sRGB, scales, crops and encodes. Each picture stays within a budget of
// memory, a limit of CPU time and limits of its size, whatever its file claims.
//
// The package imports imaging, the codecs, and the packages colour and memory below it. Begin with
// process.go, which has the whole way of one picture. header.go and the files *_head.go read
// formats. decode.go and deadline.go decode. scale.go, bands.go, planar.go and raster.go scale.
// transform.go, encode.go, square.go and webp.go make the files.
package process
