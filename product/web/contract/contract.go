// Package contract holds the OpenAPI document of the API and the pages that show it.
//
// The document is written by hand, one file per noun in the folder openapi, and
// completed from the table of package problem and the codes in codes.go, so that each
// code is described in one place. Package web serves it; nothing is validated against it
// at run time. Tests hold the service to it, with bench/contract.
//
// Of the project, this package imports package problem only. Begin with [Load].
package contract

import (
	"embed"
	"sync"
)

//go:embed openapi/*.yaml
var sources embed.FS

// Document is the OpenAPI document. It is immutable.
type Document struct {
	root    *object
	json    []byte
	routing []any // codes of answers to requests that no operation matches
}

// Load returns the document, which the first call assembles. It panics if the embedded
// files are invalid, which a test would find. It is safe for concurrent use.
var Load = sync.OnceValue(func() *Document {
	d, err := assemble(sources)
	if err != nil {
		panic("contract: " + err.Error())
	}
	return d
})

// JSON returns the document in OpenAPI 3.1. It must not be modified.
func (d *Document) JSON() []byte { return d.json }
