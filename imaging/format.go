package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	stdjpeg "image/jpeg"
	"image/png"
	"net/http"
	"strings"

	"golang.org/x/image/webp"

	"vitrine/imaging/icc"
	"vitrine/imaging/jpeg"
)

// Format is a kind of picture file.
type Format string

// The formats that are read. Only JPEG and PNG are written.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
)

// ContentType gives the format's media type.
func (f Format) ContentType() string { return "image/" + string(f) }

// Extension gives the ending of the names of the format's files, without a dot.
func (f Format) Extension() string {
	if f == JPEG {
		return "jpg"
	}
	return string(f)
}

// errUnsupported is what Sniff's errors wrap.
var errUnsupported = errors.New("not a JPEG, PNG, GIF or WebP picture")

// Sniff tells a picture's format by its first bytes (12 of them are enough),
// whatever its name or content type claims. The error says what it looks like instead.
func Sniff(b []byte) (Format, error) {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return JPEG, nil
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return PNG, nil
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return GIF, nil
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return WebP, nil
	case len(b) == 0:
		return "", fmt.Errorf("the file is empty, %w", errUnsupported)
	}
	kind, _, _ := strings.Cut(http.DetectContentType(b), ";")
	if kind == "application/octet-stream" {
		return "", fmt.Errorf("the file is %w", errUnsupported)
	}
	return "", fmt.Errorf("the file looks like %s, %w", kind, errUnsupported)
}

// Limits bound what is decoded. The zero value of a field stands for its default.
type Limits struct {
	MaxPixels int64 // width times height; 40,000,000
	MaxSide   int   // of width and height; 12,000
}

func (l Limits) withDefaults() Limits {
	if l.MaxPixels <= 0 {
		l.MaxPixels = 40_000_000
	}
	if l.MaxSide <= 0 {
		l.MaxSide = 12_000
	}
	return l
}

// check refuses a size outside the limits.
func (l Limits) check(width, height int) error {
	switch {
	case width <= 0 || height <= 0:
		return bad(CodeCorruptImage, fmt.Sprintf("the picture has %d x %d pixels", width, height), nil)
	case width > l.MaxSide || height > l.MaxSide:
		return bad(CodeImageTooLarge, fmt.Sprintf("the picture has %d x %d pixels; %d a side are the limit",
			width, height, l.MaxSide), nil)
	case int64(width)*int64(height) > l.MaxPixels:
		return bad(CodeImageTooLarge, fmt.Sprintf("the picture has %d x %d pixels; %d in all are the limit",
			width, height, l.MaxPixels), nil)
	}
	return nil
}

// header is what a picture file says of itself before its pixels.
type header struct {
	format        Format
	width, height int // as stored, before the orientation
	orientation   orientation
	quality       int  // of a JPEG, 1 to 100; 0 where it has none
	lossless      bool // the file keeps each pixel as it is
	animated      bool // it has more frames than the one that is decoded
	colours       colourSource

	// How it is to be decoded.
	jpeg        jpeg.Header
	standard    bool  // a JPEG that is left to image/jpeg
	scale       int   // the decoded picture is width/scale by height/scale pixels
	decodeBytes int64 // what decoding allocates at most, beside the source
	still       *webpStill

	webp  []string // names of the sizes that are wanted in WebP too
	focal *Focal   // what the square crop is to show
}

// readHeader tells format and size of a picture without decoding it. Nothing it
// does allocates by what the file claims.
func readHeader(src []byte) (header, error) {
	format, err := Sniff(src)
	if err != nil {
		return header{}, bad(CodeUnsupportedFormat, err.Error(), nil)
	}
	h := header{format: format, orientation: upright, scale: 1}
	switch format {
	case JPEG:
		return h, h.readJPEG(src)
	case WebP:
		head := readWebPHead(src)
		if head.broken {
			return header{}, bad(CodeCorruptImage, "the picture is damaged or incomplete", nil)
		}
		if head.still != nil {
			h.takeStill(head)
			return h, nil
		}
	}
	var config image.Config
	switch format {
	case PNG:
		config, err = png.DecodeConfig(newPNGReader(src))
	case GIF:
		config, err = gif.DecodeConfig(bytes.NewReader(src))
	case WebP:
		config, err = webp.DecodeConfig(bytes.NewReader(src))
	}
	if err != nil {
		return header{}, undecodable(err)
	}
	h.width, h.height = config.Width, config.Height
	h.inspect(src)
	return h, nil
}

// inspect fills in what the decoders' own configuration does not tell.
func (h *header) inspect(src []byte) {
	switch h.format {
	case PNG:
		head := readPNGHead(src)
		h.orientation, h.lossless, h.animated = head.orientation, true, head.moves
		h.decodeBytes = head.decodeBytes(h.width, h.height)
		h.colours = colourSource{space: head.space(), png: head.colours, deep: head.depth == 16}
	case GIF:
		// An interlaced frame is put in order through a copy.
		h.lossless, h.animated = true, gifMoves(src)
		h.decodeBytes = 2 * int64(h.width) * int64(h.height)
	case WebP:
		head := readWebPHead(src)
		h.orientation, h.lossless = head.orientation, head.lossless
		h.decodeBytes = head.decodeBytes(h.width, h.height, len(src))
		h.colours = colourSource{space: icc.RGB, profile: head.profile}
	}
}

// bad is a failure that lies in the picture: it stays as it is.
func bad(code Code, detail string, cause error) *Error {
	return &Error{Code: code, Stage: StageDecode, Detail: detail, Err: cause}
}

// undecodable tells the features that the decoders do not know from damage.
func undecodable(err error) *Error {
	var jpegFeature stdjpeg.UnsupportedError
	var pngFeature png.UnsupportedError
	if errors.As(err, &jpegFeature) || errors.As(err, &pngFeature) {
		return bad(CodeUnsupportedFormat, "the picture uses a rare feature of its format that is not supported", err)
	}
	return bad(CodeCorruptImage, "the picture is damaged or incomplete", err)
}
