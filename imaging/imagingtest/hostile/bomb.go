package hostile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/adler32"
	"image"
	"image/color"
	"iter"
	"slices"

	"vitrine/imaging/imagingtest"
)

// Bombs returns files of up to size bytes that cost much memory or time. Each is generated when
// it is needed.
func Bombs(size int) iter.Seq[File] {
	return func(yield func(File) bool) {
		for _, list := range [][]func(int) File{jpegBombs, pngBombs, gifBombs, webpBombs} {
			for _, draw := range list {
				if !yield(draw(size)) {
					return
				}
			}
		}
	}
}

// filled replaces the bytes of a file from at on by repetitions of part, up to size bytes in
// all.
func filled(file []byte, at, size int, part []byte) []byte {
	n := max(0, (size-len(file))/len(part))
	out := make([]byte, 0, len(file)+n*len(part))
	out = append(out, file[:at]...)
	out = append(out, bytes.Repeat(part, n)...)
	return append(out, file[at:]...)
}

func plainJPEG() []byte { return imagingtest.JPEG(imagingtest.Photo(40, 30, 1), 80, 1) }

// claimed returns a JPEG that claims w x h pixels and has none.
func claimed(w, h int, sampling ...byte) []byte {
	file := imagingtest.RareJPEG(image.NewGray(image.Rect(0, 0, 8, 8)), imagingtest.Coding{Sampling: sampling, Transform: 2})
	frame := bytes.Index(file, []byte{0xff, 0xc0})
	return changed(file, frame+5, byte(h>>8), byte(h), byte(w>>8), byte(w))
}

var jpegBombs = []func(size int) File{
	func(size int) File {
		return File{"jpeg of a million pieces of a profile", filled(plainJPEG(), 2, size, []byte("\xff\xe2\x00\x11ICC_PROFILE\x00\x01\xff?")), Ready}
	},
	func(size int) File {
		return File{"jpeg of fill bytes", filled(plainJPEG(), 2, size, []byte{0xff}), Ready}
	},
	func(size int) File {
		return File{"jpeg of empty tables", filled(plainJPEG(), 2, size, []byte("\xff\xc4\x00\x02")), Ready}
	},
	func(size int) File {
		file := imagingtest.RareJPEG(imagingtest.Photo(40, 30, 1), imagingtest.Coding{Sampling: []byte{0x11}, Transform: -1})
		at := bytes.Index(file, []byte{0xff, 0xc4})
		table := file[at : at+2+int(binary.BigEndian.Uint16(file[at+2:]))]
		return File{"jpeg of tables that replace each other", filled(file, at, size, table), Ready}
	},
	func(size int) File {
		return File{"jpeg of restarts without data", filled(plainJPEG(), 2, size, []byte{0xff, 0xd0}), Ready}
	},
	func(int) File { return File{"jpeg of pixels that are not there", claimed(12000, 3333, 0x11), corrupt} },
	func(int) File {
		return File{"jpeg of inks that are not there", claimed(12000, 3333, 0x11, 0x11, 0x11, 0x11), tooLarge}
	},
	func(size int) File {
		return File{"jpeg of twenty thousand passes", imagingtest.ScanBomb(3900, min(20_000, size/14)), "decode_timeout"}
	},
	func(int) File {
		profile := imagingtest.TableProfile("CMYK", "mft2", 23, func(in []float64) [3]float64 { return [3]float64{100 - 99*in[3], 0, 0} })
		file := imagingtest.RareJPEG(imagingtest.Photo(400, 300, 1), imagingtest.Coding{Sampling: []byte{0x11, 0x11, 0x11, 0x11}, Transform: 0})
		return File{"jpeg of the largest colour table", imagingtest.JPEGWithICC(file, profile, 65519), Ready}
	},
	func(int) File {
		curve := imagingtest.SampledCurve(690_000, func(v float64) float64 { return v })
		return File{"jpeg of curves of a million samples", imagingtest.JPEGWithICC(plainJPEG(), imagingtest.GrayProfile(curve), 65519), Ready}
	},
}

// zeros returns a zlib stream of head and at least two megabytes of zeros (RFC 1950). It
// repeats the compressed second megabyte, which is fast.
func zeros(megabytes int, head []byte) []byte {
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, zlib.BestSpeed)
	if err != nil {
		panic(err)
	}
	megabyte := make([]byte, 1<<20)
	ends := [2]int{}
	for i, part := range [][]byte{append(head, megabyte...), megabyte} {
		if _, err := z.Write(part); err != nil {
			panic(err)
		}
		if err := z.Flush(); err != nil {
			panic(err)
		}
		ends[i] = out.Len()
	}
	second := bytes.Clone(out.Bytes()[ends[0]:ends[1]])
	out.Write(bytes.Repeat(second, megabytes-2))
	if err := z.Close(); err != nil {
		panic(err)
	}
	const modulus = 65521
	sum := uint64(adler32.Checksum(head))
	low, high := sum&0xffff, sum>>16
	high = (high + low*uint64(megabytes<<20)) % modulus // zeros do not change the lower half
	binary.BigEndian.PutUint32(out.Bytes()[out.Len()-4:], uint32(high<<16|low))
	return out.Bytes()
}

func plainPNG() []byte { return imagingtest.PNG(imagingtest.Photo(40, 30, 1)) }

// pngOf returns a PNG with one chunk of data.
func pngOf(w, h int, depth, colour, interlaced byte, data []byte) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	header = append(header, depth, colour, 0, 0, interlaced)
	out = imagingtest.AppendPNGChunk(out, "IHDR", header)
	out = imagingtest.AppendPNGChunk(out, "IDAT", data)
	return imagingtest.AppendPNGChunk(out, "IEND", nil)
}

var pngBombs = []func(size int) File{
	func(int) File {
		return File{"png of 40 million pixels", pngOf(6300, 6300, 8, 0, 0, zeros(37, make([]byte, 6300*6301-37<<20))), Ready}
	},
	func(int) File {
		return File{"png of 40 million deep pixels", pngOf(6300, 6300, 16, 6, 1, zeros(2, nil)), tooLarge}
	},
	func(int) File {
		return File{"png of more data than pixels", pngOf(40, 30, 8, 2, 0, zeros(1000, nil)), corrupt}
	},
	func(int) File {
		length := []byte{0xff, 0xff, 0xff, 0xff}
		return File{"png of a profile of four gigabytes", imagingtest.WithPNGChunk(plainPNG(), "iCCP", append([]byte("a\x00\x00"), zeros(4095, length)...)), Ready}
	},
	func(int) File {
		length := []byte{0x00, 0x3f, 0xff, 0xff}
		return File{"png of a profile longer than it says", imagingtest.WithPNGChunk(plainPNG(), "iCCP", append([]byte("a\x00\x00"), zeros(4095, length)...)), Ready}
	},
	func(int) File {
		text := append([]byte("Comment\x00\x00"), zeros(1000, nil)...)
		xml := append([]byte("XML:com.adobe.xmp\x00\x01\x00\x00\x00"), zeros(1000, nil)...)
		return File{"png of texts of two gigabytes", imagingtest.WithPNGChunk(imagingtest.WithPNGChunk(plainPNG(), "zTXt", text), "iTXt", xml), Ready}
	},
	func(size int) File {
		chunk := imagingtest.WithPNGChunk(plainPNG(), "prVt", nil)[33:45]
		return File{"png of a million chunks", filled(plainPNG(), 33, size, chunk), Ready}
	},
	func(size int) File {
		chunk := imagingtest.WithPNGChunk(plainPNG(), "IDAT", nil)[33:45]
		return File{"png of a million empty pieces", filled(plainPNG(), 33, size, chunk), Ready}
	},
}

func plainGIF() []byte { return imagingtest.GIFOf(40, 30, 1) }

var gifBombs = []func(size int) File{
	func(int) File {
		m := image.NewPaletted(image.Rect(0, 0, 6300, 6300), color.Palette{color.Black, color.White})
		return File{"gif of 40 million pixels", imagingtest.GIFOfPaletted(m), Ready}
	},
	func(int) File {
		return File{"gif of a dot on 40 million pixels", changed(imagingtest.GIFOf(1, 1, 1), 6, 0x9c, 0x18, 0x9c, 0x18), Ready}
	},
	func(size int) File {
		file := imagingtest.GIFOf(1, 1, 2)
		second := bytes.LastIndex(file[:len(file)-12], []byte("\x21\xf9\x04"))
		return File{"gif of a thousand frames and more", filled(file, second, size, file[second:len(file)-1]), Ready}
	},
	func(size int) File {
		file := plainGIF()
		at := gifFrame(file)
		file = slices.Insert(file, at, 0x21, 0xfe, 0)
		return File{"gif of a comment of single letters", filled(file, at+2, size, []byte{1, 'a'}), Ready}
	},
	func(size int) File { // codes of three bits that only reset the table
		file := plainGIF()
		codes := gifFrame(file) + 10 + 768
		head := append(append([]byte{}, file[:codes]...), 2, 0, 0x3b)
		block := append([]byte{255}, bytes.Repeat([]byte{0x24, 0x49, 0x92}, 85)...)
		return File{"gif of nothing but clear codes", filled(head, codes+1, size, block), corrupt}
	},
}
