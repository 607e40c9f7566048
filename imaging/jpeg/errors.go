package jpeg

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrUnsupported is wrapped by the errors for files that this package leaves to image/jpeg: four components,
	// Adobe RGB, a dimension of zero, coefficients beyond 16 bits, Huffman tables with too many codes, and other
	// precisions and codings. Such a file may be valid; image/jpeg may decode or reject it.
	ErrUnsupported = errors.New("jpeg: unsupported feature")

	// ErrTooManyPasses is returned for a file whose scans pass over the picture more than Options.MaxPasses times.
	ErrTooManyPasses = errors.New("jpeg: scans make too many passes over the picture")
)

// formatError describes how the source violates the format. image/jpeg rejects such a source too.
type formatError string

func (e formatError) Error() string { return "jpeg: invalid format: " + string(e) }

// errShort is returned for a source that ends too early.
var errShort = fmt.Errorf("jpeg: file is truncated: %w", io.ErrUnexpectedEOF)

// errData is returned for entropy-coded data that a marker ends before the scan is complete.
const errData = formatError("entropy-coded data ends before the scan is complete")

// unsupported returns an ErrUnsupported that names the feature.
func unsupported(feature string) error { return fmt.Errorf("%w: %s", ErrUnsupported, feature) }
