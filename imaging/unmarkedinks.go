package imaging

import (
	"bytes"
	"io"
)

// unmarkedInks says that the file is a JPEG of four inks without Adobe's marker,
// which image/jpeg refuses. Browsers, libvips and Pillow take its inks for inverted
// all the same, as nearly all such files have them.
func (h header) unmarkedInks() bool {
	return h.format == JPEG && h.jpeg.Components == 4 && h.jpeg.Adobe < 0
}

// adobeInks is the marker that says: four inks, untransformed (Adobe Technical Note
// 5116).
var adobeInks = []byte{0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0}

// markInks gives a file with that marker.
func markInks(src []byte) io.Reader {
	const startOfImage = 2
	return io.MultiReader(bytes.NewReader(src[:startOfImage]), bytes.NewReader(adobeInks), bytes.NewReader(src[startOfImage:]))
}
