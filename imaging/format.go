package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Format is a kind of picture file.
type Format string

// The formats that can be read. JPEG, PNG and WebP are written as well.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
)

// ContentType returns the format's media type.
func (f Format) ContentType() string { return "image/" + string(f) }

// Extension returns the file name extension of the format, without a dot.
func (f Format) Extension() string {
	if f == JPEG {
		return "jpg"
	}
	return string(f)
}

// errUnsupported is wrapped by the errors of Sniff.
var errUnsupported = errors.New("not a JPEG, PNG, GIF or WebP image")

// Sniff returns the format that the first bytes of a file show; 12 bytes are enough.
// Neither its name nor its content type matters. The error says what the file looks
// like instead.
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
