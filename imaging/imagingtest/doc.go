// Package imagingtest draws pictures and writes them in every format and with every fault that
// the pipeline has to cope with. Tests, benchmarks and the demo use it. The same arguments give
// the same bytes. Functions panic if an encoder fails, which does not happen in memory.
//
// The package imports no other package of the project. Begin with photo.go and drawing.go for
// pictures, and with jpeg.go, png.go, gif.go and webp.go for files. ciede2000.go measures colour
// differences. The package hostile below it makes damaged and malicious files.
package imagingtest
