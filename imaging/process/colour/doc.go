// Package colour reads what a file says about its colours, an ICC profile or the chunks of a PNG,
// and converts a picture to sRGB. It imports the codecs imaging/icc, imaging/jpeg and
// imaging/resize. Begin with source.go; convert.go has the arithmetic.
package colour
