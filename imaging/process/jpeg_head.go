package process

import (
	"bytes"
	"errors"
	stdjpeg "image/jpeg"
	"time"

	"vitrine/imaging/icc"
	"vitrine/imaging/jpeg"
	"vitrine/imaging/process/colour"
)

// Bounds on the cost of a progressive JPEG, which can have very many scans of a dozen
// bytes each. Usual files pass over the picture six times; the largest ones within the
// download limit take half a second.
const (
	maxPasses       = 64
	progressiveTime = 1500 * time.Millisecond // of CPU time
)

// readJPEG reads the header of a JPEG and decides how to decode it: at the smallest scale
// that the main variant allows, or with image/jpeg if only that supports the file.
func (h *header) readJPEG(src []byte) error {
	head, err := jpeg.Inspect(src)
	switch {
	case errors.Is(err, jpeg.ErrUnsupported):
		return h.readRareJPEG(src)
	case err != nil:
		return undecodable(err)
	}
	h.jpeg = head
	h.width, h.height, h.quality = head.Width, head.Height, head.Quality
	h.colours = colour.Source{Space: jpegSpace(head.Components), Pieces: head.ICC}
	if exif := head.EXIF; exif.Length > 0 {
		h.orientation = exifOrientation(src[exif.Offset : exif.Offset+exif.Length])
	}
	if !head.Supported() {
		h.useStandardDecoder()
		return nil
	}
	h.scale = jpeg.ScaleFor(h.width, h.height, decodedSide)
	h.decodeBytes = head.Bytes(h.scale)
	return nil
}

// jpegSpace returns the colour space of a JPEG by its number of components.
func jpegSpace(components int) icc.Space {
	switch components {
	case 1:
		return icc.Gray
	case 4:
		return icc.CMYK
	}
	return icc.RGB
}

// readRareJPEG reads the header with image/jpeg.
func (h *header) readRareJPEG(src []byte) error {
	config, err := stdjpeg.DecodeConfig(bytes.NewReader(src))
	if err != nil {
		return undecodable(err)
	}
	h.width, h.height = config.Width, config.Height
	h.jpeg = jpeg.Header{Width: h.width, Height: h.height, Components: 4, Progressive: true} // the most memory it can need
	for i := range h.jpeg.Sampling {
		h.jpeg.Sampling[i].X, h.jpeg.Sampling[i].Y = 1, 1
	}
	h.useStandardDecoder()
	return nil
}

// useStandardDecoder chooses image/jpeg as the decoder.
func (h *header) useStandardDecoder() {
	h.standard, h.scale = true, 1
	h.decodeBytes = standardBytes(&h.jpeg)
}

// standardBytes returns what image/jpeg allocates: the planes, four more bytes a sample
// for the coefficients of a progressive picture, and a copy for colour models that it
// converts.
func standardBytes(head *jpeg.Header) int64 {
	components := head.Sampling[:head.Components]
	maxH, maxV := int64(1), int64(1)
	for _, c := range components {
		maxH, maxV = max(maxH, int64(c.X)), max(maxV, int64(c.Y))
	}
	up := func(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
	pixels := up(int64(head.Width), 8*maxH) * up(int64(head.Height), 8*maxV)
	var samples int64 // of the coefficients; planes may be extended to full size
	for _, c := range components {
		samples += pixels * int64(c.X) * int64(c.Y) / (maxH * maxV)
	}
	total := samples
	if !regular(head) {
		total = pixels * int64(len(components))
	}
	if head.Progressive {
		total += 4 * samples
	}
	if !head.Supported() { // CMYK or RGB, which needs an interleaved copy
		total += 4 * pixels
	}
	return total
}

// regular reports whether the chroma components have the same sampling, which is not
// finer than that of the luma. image/jpeg decodes other files into planes of full size.
func regular(head *jpeg.Header) bool {
	if head.Components < 3 {
		return true
	}
	y, cb, cr := head.Sampling[0], head.Sampling[1], head.Sampling[2]
	return cb == cr && y.X >= cb.X && y.Y >= cb.Y
}
