// Package body reads the bodies of requests into the values that the product packages
// take: it limits them, decodes JSON strictly and multipart forms as they arrive, and
// names every bad field in one problem.
//
// Of the project, it imports the product packages and package problem beside it. Begin
// with [Read], [NewProduct] and [ReadForm].
package body

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"vitrine/product/web/problem"
)

// maxBytes is the largest body but for a form with a file, in bytes. The largest
// valid product (20 URLs of 2,048 bytes and a description of 10,000 characters) needs
// a tenth of it.
const maxBytes = 1 << 20

// The types of bodies.
const (
	JSON       = "application/json"
	MergePatch = "application/merge-patch+json" // RFC 7396
	Form       = "multipart/form-data"          // RFC 7578
)

// Read returns the whole body if its type is one of types. Otherwise the error is a
// problem: 415, 413, 408 if it does not arrive before the request's deadline, 400 if it
// is incomplete, 503 if there is no memory for it.
//
// A missing Content-Type is refused as well: browsers send such requests, and those of
// types other than JSON, to any address without asking it first, so a web page could
// write to a service that is open on the loopback interface.
func Read(w http.ResponseWriter, r *http.Request, types ...string) ([]byte, error) {
	if !HasType(r.Header, types...) {
		return nil, UnsupportedType(r, types...)
	}
	if err := Uncompressed(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > maxBytes {
		return nil, tooLarge()
	}
	// The context alone does not end a read that waits for a slow client. If the
	// connection accepts no deadline it is closed, and the read fails.
	if deadline, ok := r.Context().Deadline(); ok {
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err != nil {
		return nil, unreadable(err)
	}
	return body, nil
}

// unreadable returns the problem of a body that could not be read to its end.
func unreadable(err error) *problem.Error {
	var large *http.MaxBytesError
	var p *problem.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.New("request_timeout", "the body did not arrive in time").With("Connection", "close")
	}
	return problem.New("unreadable_body", "the body is incomplete or not framed correctly").With("Connection", "close")
}

func tooLarge() *problem.Error {
	return problem.New("body_too_large", fmt.Sprintf("the body must not be larger than %d bytes", maxBytes)).With("Connection", "close")
}

// UnsupportedType returns the problem of a body whose type is not one of types.
func UnsupportedType(r *http.Request, types ...string) *problem.Error {
	p := problem.New("unsupported_media_type", "the body must be "+strings.Join(types, " or ")+" in UTF-8; set Content-Type")
	if r.Method == http.MethodPatch {
		p = p.With("Accept-Patch", strings.Join(types, ", ")) // RFC 5789
	}
	return p.With("Accept", strings.Join(types, ", "))
}

// Uncompressed returns a problem for a body with a content encoding, else nil.
func Uncompressed(h http.Header) error {
	coding := h.Values("Content-Encoding")
	if len(coding) == 0 || slices.Equal(coding, []string{"identity"}) {
		return nil
	}
	return problem.New("unsupported_content_encoding", "the body must not be compressed").
		With("Accept-Encoding", "identity") // RFC 9110, section 12.5.3
}

// HasType reports whether the one Content-Type is among types, in UTF-8.
func HasType(h http.Header, types ...string) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	if err != nil || !slices.Contains(types, mediaType) {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}
