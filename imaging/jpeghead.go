package imaging

import (
	"bytes"
	"errors"
	stdjpeg "image/jpeg"
	"time"

	"vitrine/imaging/jpeg"
)

// What a progressive JPEG may cost, whose scans can be many and each take no more
// than a dozen bytes. The usual ones go over the picture six times; the largest
// that fetching lets through take half a second.
const (
	maxPasses       = 64
	progressiveTime = 1500 * time.Millisecond // of CPU time
)

// readJPEG plans the decoding of a JPEG: scaled down as far as the main variant
// allows, or by image/jpeg where the file is of a kind that only it knows.
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
	h.colours = colourSource{space: jpegSpace(head.Components), pieces: head.ICC}
	if exif := head.EXIF; exif.Length > 0 {
		h.orientation = exifOrientation(src[exif.Offset : exif.Offset+exif.Length])
	}
	if !head.Supported() {
		h.leaveToStandard()
		return nil
	}
	h.scale = jpeg.ScaleFor(h.width, h.height, decodedSide)
	h.decodeBytes = head.Bytes(h.scale)
	return nil
}

// readRareJPEG takes image/jpeg's word, or its reason.
func (h *header) readRareJPEG(src []byte) error {
	config, err := stdjpeg.DecodeConfig(bytes.NewReader(src))
	if err != nil {
		return undecodable(err)
	}
	h.width, h.height = config.Width, config.Height
	h.jpeg = jpeg.Header{Width: h.width, Height: h.height, Components: 4, Progressive: true} // the most it can take
	for i := range h.jpeg.Sampling {
		h.jpeg.Sampling[i].X, h.jpeg.Sampling[i].Y = 1, 1
	}
	h.leaveToStandard()
	return nil
}

// leaveToStandard plans for image/jpeg.
func (h *header) leaveToStandard() {
	h.standard, h.scale = true, 1
	h.decodeBytes = standardBytes(&h.jpeg)
}

// standardBytes is what image/jpeg allocates: the planes, four bytes a sample more
// for the coefficients of a progressive picture, and a copy for colour models that
// are converted.
func standardBytes(head *jpeg.Header) int64 {
	components := head.Sampling[:head.Components]
	maxH, maxV := int64(1), int64(1)
	for _, c := range components {
		maxH, maxV = max(maxH, int64(c.X)), max(maxV, int64(c.Y))
	}
	up := func(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
	pixels := up(int64(head.Width), 8*maxH) * up(int64(head.Height), 8*maxV)
	var samples int64 // in the coefficients; planes may be widened to full size
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
	if !head.Supported() { // inks or RGB, which are put together
		total += 4 * pixels
	}
	return total
}

// regular reports whether the chroma components share one sampling and the first
// has the finest: others are decoded into planes of full size.
func regular(head *jpeg.Header) bool {
	if head.Components < 3 {
		return true
	}
	y, cb, cr := head.Sampling[0], head.Sampling[1], head.Sampling[2]
	return cb == cr && y.X >= cb.X && y.Y >= cb.Y
}
