package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
)

// maxBody is the largest body in bytes. The largest valid product (20 URLs of
// 2,048 bytes and a description of 10,000 characters) needs a tenth of it.
const maxBody = 1 << 20

const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json" // RFC 7396
)

// readBody gives the whole body if it is of one of the types, or a *problem: 415,
// 413, 408 when it does not arrive before the request's deadline, 400 when it
// breaks off, 503 when there is no memory for it.
//
// A missing Content-Type is refused as well: a browser sends such requests, and
// those of other types than JSON, to any address without asking it first, so a
// page on the web could write to a service that is open on the loopback.
func readBody(w http.ResponseWriter, r *http.Request, types ...string) ([]byte, error) {
	if !hasType(r.Header, types) {
		return nil, unsupportedType(r, types)
	}
	if compressed(r.Header) {
		return nil, unsupportedEncoding()
	}
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	// The context alone does not end a read that waits for a slow client. Where the
	// connection takes no deadline any more it is closed, and the read says so.
	if deadline, ok := r.Context().Deadline(); ok {
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
	}
	body, err := io.ReadAll(counted(r.Context(), http.MaxBytesReader(w, r.Body, maxBody)))
	if err != nil {
		return nil, unreadable(err)
	}
	return body, nil
}

// unreadable says why a body could not be read to its end.
func unreadable(err error) *problem {
	var large *http.MaxBytesError
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, errNoBodyMemory):
		return overloaded(shedBodies).with("Connection", "close")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem(http.StatusRequestTimeout, "request_timeout",
			"the body did not arrive in time").with("Connection", "close")
	}
	return badRequest("unreadable_body", "the body breaks off or is not framed correctly").with("Connection", "close")
}

func tooLarge() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("the body is larger than %d bytes", maxBody)).with("Connection", "close")
}

// unsupportedType refuses a body that is of none of the types.
func unsupportedType(r *http.Request, types []string) *problem {
	p := newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"the body must be "+strings.Join(types, " or ")+" in UTF-8, and Content-Type must say so")
	if r.Method == http.MethodPatch {
		p = p.with("Accept-Patch", strings.Join(types, ", ")) // RFC 5789
	}
	return p.with("Accept", strings.Join(types, ", "))
}

// compressed reports whether the body has an encoding.
func compressed(h http.Header) bool {
	coding := h.Values("Content-Encoding")
	return len(coding) > 0 && !slices.Equal(coding, []string{"identity"})
}

func unsupportedEncoding() *problem {
	return newProblem(http.StatusUnsupportedMediaType, "unsupported_content_encoding",
		"the body must not be compressed").with("Accept-Encoding", "identity") // RFC 9110, 12.5.3
}

// hasType reports whether the one Content-Type is among types, in UTF-8.
func hasType(h http.Header, types []string) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	if err != nil || !slices.Contains(types, mediaType) {
		return false
	}
	charset, said := params["charset"]
	return !said || strings.EqualFold(charset, "utf-8")
}
