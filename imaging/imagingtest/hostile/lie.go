package hostile

import (
	"bytes"
	"encoding/binary"
	"image"
	"slices"

	"vitrine/imaging/imagingtest"
)

// Lies returns files whose headers contradict the rest, each with its expected result.
func Lies() []File {
	return append(append(jpegLies(), pngLies()...), append(gifLies(), webpLies()...)...)
}

func jpegLies() []File {
	m := imagingtest.Photo(40, 32, 2)
	coded := func(sampling ...byte) []byte {
		return imagingtest.RareJPEG(m, imagingtest.Coding{Sampling: sampling, Transform: -1})
	}
	file := coded(0x22, 0x11, 0x11)
	frame := bytes.Index(file, []byte{0xff, 0xc0}) // then length, precision, height, width, components
	size := func(height, width uint16) []byte {
		out := changed(file, frame+5, byte(height>>8), byte(height))
		return changed(out, frame+7, byte(width>>8), byte(width))
	}
	twice := append(append(append([]byte{}, file[:frame]...), file[frame:frame+19]...), file[frame:]...)
	scan := bytes.Index(file, []byte{0xff, 0xda})
	return []File{
		{"jpeg of three bytes", []byte("\xff\xd8\xff"), corrupt},
		{"jpeg of no width", size(32, 0), corrupt},
		{"jpeg of no height", size(0, 40), corrupt},
		{"jpeg taller than its data", size(64, 40), corrupt},
		{"jpeg wider than its data", size(32, 4000), corrupt},
		{"jpeg smaller than its data", size(8, 8), ""},
		{"jpeg of 65,535 x 65,535", size(65535, 65535), tooLarge},
		{"jpeg too wide", size(1, 12001), tooLarge},
		{"jpeg of too many pixels", size(8000, 5001), tooLarge},
		{"jpeg of four unnamed inks", coded(0x11, 0x11, 0x11, 0x11), Ready},
		{"jpeg of 12 bits", changed(file, frame+4, 12), unsupported},
		{"jpeg of sampling factor 0", changed(file, frame+11, 0x02), corrupt},
		{"jpeg of sampling factor 15", changed(file, frame+11, 0xff), ""},
		{"jpeg of components named alike", changed(file, frame+13, 1), corrupt},
		{"jpeg without frame", append(append([]byte{}, file[:frame]...), file[frame+19:]...), corrupt},
		{"jpeg of two frames", twice, corrupt},
		{"jpeg without scan", append(append([]byte{}, file[:scan]...), 0xff, 0xd9), corrupt},
		{"jpeg without quantisation", append([]byte{0xff, 0xd8}, file[frame:]...), ""},
		{"jpeg without codes", append(append([]byte{}, file[:frame+19]...), file[scan:]...), corrupt},
		{"jpeg of arithmetic coding", changed(file, frame+1, 0xc9), unsupported},
		{"jpeg that is rgb at its end", imagingtest.LateRGB(coded(0x11, 0x11, 0x11)), ""},
	}
}

func pngLies() []File {
	m := imagingtest.Photo(20, 16, 2)
	file := imagingtest.RarePNG(m, imagingtest.PNGKind{Colour: 2, Depth: 8})
	header := func(at int, v ...byte) []byte {
		out := changed(file, 16+at, v...)
		Repair(out)
		return out
	}
	const header0, data0 = 8, 33 // offsets of the first two chunks
	long := changed(file, data0, 0x7f, 0xff, 0xff, 0xff)
	twoHeads := append(append(append([]byte{}, file[:data0]...), file[header0:data0]...), file[data0:]...)
	return []File{
		{"png signature", []byte("\x89PNG\r\n\x1a\n"), corrupt},
		{"png of no width", header(0, 0, 0, 0, 0), corrupt},
		{"png of no height", header(4, 0, 0, 0, 0), corrupt},
		{"png of a negative width", header(0, 0x80, 0, 0, 20), corrupt},
		{"png taller than its data", header(4, 0, 0, 0, 32), corrupt},
		{"png smaller than its data", header(4, 0, 0, 0, 8), corrupt},
		{"png of 30,000 x 30,000", imagingtest.PNGBomb(30000, 30000), tooLarge},
		{"png too wide", imagingtest.PNGBomb(12001, 1), tooLarge},
		{"png of too many pixels", imagingtest.PNGBomb(8000, 5001), tooLarge},
		{"png of depth 3", header(8, 3), unsupported},
		{"png of colour type 5", header(9, 5), unsupported},
		{"png of another compression", header(10, 1), unsupported},
		{"png of another interlacing", header(12, 2), corrupt},
		{"png of more samples than its data", header(9, 6), corrupt},
		{"png of a chunk of two gigabytes", long, corrupt},
		{"png of two headers", twoHeads, corrupt},
		{"png of a palette without one", header(9, 3), corrupt},
		{"png with its end first", append(append([]byte{}, file[:data0]...), "\x00\x00\x00\x00IEND\xae\x42\x60\x82"...), corrupt},
		{"png of a text with a wrong sum", changed(imagingtest.WithPNGChunk(file, "tEXt", []byte("a\x00b")), data0+11, 'c'), Ready},
		{"png of a text amid its pixels", slices.Concat(file[:data0], imagingtest.WithPNGChunk(file, "IDAT", nil)[data0:data0+12],
			imagingtest.WithPNGChunk(file, "tEXt", nil)[data0:data0+12], file[data0:]), Ready},
		{"png that ends in a text", append(append([]byte{}, file[:len(file)-12]...), "\x00\x00\x00\x09tEXt"...), corrupt},
		{"png of a wrong sum", changed(file, data0-1, file[data0-1]^1), corrupt},
	}
}

func gifLies() []File {
	file := imagingtest.GIFOf(20, 16, 1)
	at := gifFrame(file) // then left, top, width, height, flags, the size of codes
	codes := at + 10 + 768
	return []File{
		{"gif signature", []byte("GIF89a"), corrupt},
		{"gif of 32 bytes", imagingtest.GIFBomb(), tooLarge},
		{"gif of no canvas", changed(file, 6, 0, 0, 0, 0), corrupt},
		{"gif of no width", changed(file, 6, 0, 0), corrupt},
		{"gif frame beyond its canvas", changed(file, at+1, 1), corrupt},
		{"gif frame far outside", changed(file, at+1, 0xff, 0xff, 0xff, 0xff), corrupt},
		{"gif frame larger than its canvas", changed(file, at+5, 0xff, 0xff, 0xff, 0xff), corrupt},
		{"gif frame of no size", changed(file, at+5, 0, 0, 0, 0), ""},
		{"gif frame of no width", changed(file, at+5, 0, 0), ""},
		{"gif canvas larger than its frame", changed(file, 6, 200, 0, 200, 0), Ready},
		{"gif without palette", changed(file, 10, 0), ""},
		{"gif of codes of no bits", changed(file, codes, 0), corrupt},
		{"gif of codes of 12 bits", changed(file, codes, 12), corrupt},
		{"gif of codes of 255 bits", changed(file, codes, 255), corrupt},
		{"gif code that is not there yet", changed(file, codes+2, 0xff, 0xff, 0xff), corrupt},
		{"gif that ends at once", append(append([]byte{}, file[:codes+1]...), 0, 0x3b), corrupt},
		{"gif without frame", append(append([]byte{}, file[:at]...), 0x3b), corrupt},
	}
}

func webpLies() []File {
	m := imagingtest.Photo(20, 16, 2)
	lossless, lossy := imagingtest.WebP(m), imagingtest.LossyWebP(20, 16)
	extended := func(w, h int) []byte { // a claimed size, and the picture
		out := imagingtest.WebPWithICC(lossless, nil, w, h)
		binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
		return out
	}
	huge := append([]byte{}, lossless...)
	binary.LittleEndian.PutUint32(huge[21:], 0x0fffffff) // 16,384 a side
	inside := imagingtest.AnimatedWebP(image.Pt(20, 16), imagingtest.Frame{At: m.Rect, File: huge})
	alpha := imagingtest.WithAlpha(lossy, 20, 16, func(int, int) byte { return 99 })
	return []File{
		{"webp signature", []byte("RIFF\x04\x00\x00\x00WEBP"), corrupt},
		{"webp that claims two gigabytes", imagingtest.WebPBomb(), corrupt},
		{"webp of 16,384 x 16,384", huge, tooLarge},
		{"webp that says it is smaller", extended(10, 8), corrupt},
		{"webp that says it is larger", extended(200, 160), corrupt},
		{"webp that says it is huge", extended(1<<24, 1<<24), corrupt},
		{"webp too wide", extended(12001, 1), tooLarge},
		{"webp with a huge picture in a small canvas", imagingtest.WebPWithICC(huge, nil, 20, 16), corrupt},
		{"webp with a huge frame in a small canvas", inside, corrupt},
		{"webp of no size", changed(lossy, 26, 0, 0, 0, 0), corrupt},
		{"webp shorter than it says", lossless[:len(lossless)-9], corrupt},
		{"webp of an empty chunk", changed(lossless, 16, 0, 0, 0, 0), corrupt},
		{"webp of less alpha than pixels", changed(alpha, 24, 99, 0, 0, 99), corrupt},
		{"webp of another version", changed(lossless, 24, 0xf0), corrupt},
	}
}
