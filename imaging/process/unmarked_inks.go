package process

import (
	"bytes"
	"io"

	"vitrine/imaging"
)

// unmarkedInks reports whether the file is a JPEG of four inks without Adobe's marker, which
// image/jpeg refuses. Browsers, libvips and Pillow read the inks of such files as inverted,
// because nearly all of them are.
func (h header) unmarkedInks() bool {
	return h.format == imaging.JPEG && h.jpeg.Components == 4 && h.jpeg.Adobe < 0
}

// adobeInks is the marker for four untransformed inks (Adobe Technical Note 5116).
var adobeInks = []byte{0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0}

// markInks returns the file with that marker.
func markInks(src []byte) io.Reader {
	const startOfImage = 2
	return io.MultiReader(bytes.NewReader(src[:startOfImage]), bytes.NewReader(adobeInks), bytes.NewReader(src[startOfImage:]))
}
