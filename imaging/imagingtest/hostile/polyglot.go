package hostile

import (
	"bytes"
	"fmt"
	"image"

	"vitrine/imaging/imagingtest"
)

// Foreign lists the contents of [Polyglots] in their other format. None of them may be in a
// result.
var Foreign = [][]byte{
	[]byte("<script"), []byte("<?php"), []byte("PK\x03\x04\x0a\x00"), []byte("alert("), []byte("%PDF-"), []byte("JFXX\x00\x10"),
}

const (
	page   = "<html><body><script>alert(document.domain)</script></body></html>"
	script = "<?php system($_GET['c']); __halt_compiler(); ?>"
	zip    = "PK\x03\x04\x0a\x00\x00\x00\x00\x00\x00\x00!\x00\xa9\x1e\x8c\x36\x04\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00aevilPK\x05\x06\x00\x00\x00\x00"
)

// Polyglots returns files that are valid both as a picture and in another format.
func Polyglots() []File {
	m := imagingtest.Graphic(30, 20)
	jpeg, png, gif, webp := imagingtest.JPEG(m, 80, 1), imagingtest.PNG(m), imagingtest.GIF(m), imagingtest.WebP(m)
	behind := func(file []byte, text string) []byte { return append(append([]byte{}, file...), text...) }
	comment := func(text string) []byte {
		out := append([]byte{}, jpeg[:2]...)
		out = append(out, 0xff, 0xfe, byte((len(text)+2)>>8), byte(len(text)+2))
		return append(append(out, text...), jpeg[2:]...)
	}
	files := ready(
		File{Name: "jpeg and page", Body: comment(page)},
		File{Name: "png and script in its text", Body: imagingtest.WithPNGChunk(png, "tEXt", []byte("a\x00"+script))},
		File{Name: "png and script in its colours' name", Body: imagingtest.WithPNGChunk(png, "iCCP", []byte(script+"\x00\x00x"))},
		File{Name: "gif and script", Body: scriptGIF()},
		File{Name: "gif and page in its comment", Body: markedBlock(gif, page)},
		File{Name: "webp and script", Body: imagingtest.WithWebPChunk(webp, "XMP ", []byte(script))},
		File{Name: "jpeg with a picture inside", Body: imagingtest.WithEXIF(jpeg, append(imagingtest.EXIF(1), png...))},
		File{Name: "jpeg with an extension", Body: append([]byte("\xff\xd8\xff\xe0\x00\x10JFXX\x00\x10"+"12345678"), jpeg[2:]...)},
	)
	for name, text := range map[string]string{
		"zip": zip, "page": page, "php": script, "pdf": "%PDF-1.4\n1 0 obj<<>>endobj", "jpeg": string(jpeg), "png": string(png), "gif": string(gif),
	} {
		for format, file := range map[string][]byte{"jpeg": jpeg, "png": png, "gif": gif, "webp": webp} {
			files = append(files, File{Name: fmt.Sprintf("%s with a %s behind it", format, name), Body: behind(file, text), Want: Ready})
			refused := File{Name: fmt.Sprintf("%s with a %s before it", format, name), Body: append([]byte(text), file...)}
			if name == "zip" || name == "page" || name == "php" || name == "pdf" {
				refused.Want = unsupported
			}
			files = append(files, refused)
		}
	}
	return append(files, claimedTwice(jpeg, png, gif, webp)...)
}

// claimedTwice returns files that start as one format and continue as another.
func claimedTwice(jpeg, png, gif, webp []byte) []File {
	return []File{
		{Name: "jpeg that goes on as png", Body: append([]byte("\xff\xd8\xff"), png...)},
		{Name: "png that goes on as jpeg", Body: append([]byte("\x89PNG\r\n\x1a\n"), jpeg...), Want: corrupt},
		{Name: "gif that goes on as webp", Body: append([]byte("GIF89a"), webp...)},
		{Name: "webp that goes on as gif", Body: append(append([]byte{}, webp[:12]...), gif...), Want: corrupt},
		{Name: "webp that holds a jpeg", Body: imagingtest.WithWebPChunk([]byte("RIFF\x04\x00\x00\x00WEBP"), "VP8 ", jpeg), Want: corrupt},
		{Name: "wave", Body: append([]byte("RIFF\x04\x00\x00\x00WAVE"), webp[12:]...), Want: unsupported},
		{Name: "bitmap with a jpeg inside", Body: append([]byte("BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00"), jpeg...), Want: unsupported},
		{Name: "tiff with a jpeg inside", Body: append([]byte("II*\x00\x08\x00\x00\x00"), jpeg...), Want: unsupported},
		{Name: "drawing of vectors", Body: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`), Want: unsupported},
		{Name: "html", Body: imagingtest.HTML(), Want: unsupported},
		{Name: "nothing", Want: unsupported},
	}
}

// scriptGIF returns a GIF whose width is the start of a comment, so that a browser that reads
// it as a script runs what follows the pixels.
func scriptGIF() []byte {
	gif := imagingtest.AnimatedGIF(imagingtest.Graphic(60, 40), image.Rect(0, 0, 8, 8))
	copy(gif[6:], "/*")
	gif[8], gif[9] = 8, 0
	second := bytes.LastIndexByte(gif[:len(gif)-8], 0x21) // the second frame is larger than the new canvas
	return append(gif[:second], "\x3b*/=1;alert(1)//"...)
}

// markedBlock adds a comment before a GIF's first frame.
func markedBlock(gif []byte, text string) []byte {
	at := gifFrame(gif)
	out := append(append([]byte{}, gif[:at]...), 0x21, 0xfe, byte(len(text)))
	return append(append(append(out, text...), 0), gif[at:]...)
}
