package jpeg

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrUnsupported means that this package does not decode the file and image/jpeg may: four components,
	// Adobe RGB, a dimension of zero, coefficients beyond 16 bits, over-full Huffman tables, other precisions and
	// kinds of coding. Such a file may be valid; image/jpeg may decode it or refuse it.
	ErrUnsupported = errors.New("jpeg: not supported by this decoder")

	// ErrTooManyPasses means that the file's scans cover the picture more often than Options.MaxPasses.
	ErrTooManyPasses = errors.New("jpeg: too many passes over the picture")
)

// FormatError describes how the source violates the format. image/jpeg rejects such a source too.
type FormatError string

func (e FormatError) Error() string { return "jpeg: invalid format: " + string(e) }

// errShort is the error of a source that ends too early.
var errShort = fmt.Errorf("jpeg: source ends too early: %w", io.ErrUnexpectedEOF)

// errData is the error of entropy-coded data that ends, by a marker, before the scan is complete.
const errData = FormatError("short entropy-coded data")

func unsupported(what string) error { return fmt.Errorf("%w: %s", ErrUnsupported, what) }
