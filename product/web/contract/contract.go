// Package contract is what the API promises, for programs and for people: the
// OpenAPI document, the table of problems, and the pages that show both.
//
// The document is written by hand, a file for each noun in the folder openapi,
// and completed from the tables here, so that a code has one place where it is
// said what it means. No HTTP is served here, and nothing of it is checked while
// requests are: tests hold the service to the document.
package contract

import (
	"embed"
	"sync"
)

//go:embed openapi/*.yaml
var sources embed.FS

// Document is the whole contract. It does not change.
type Document struct {
	root    *object
	json    []byte
	routing []any // codes of the answers to what no operation takes
}

// Load gives the document, assembled at the first call. It panics where the
// embedded files are broken, which a test finds before anybody else does. Safe for
// concurrent use.
var Load = sync.OnceValue(func() *Document {
	d, err := assemble(sources)
	if err != nil {
		panic("contract: " + err.Error())
	}
	return d
})

// JSON is the document in OpenAPI 3.1. It must not be modified.
func (d *Document) JSON() []byte { return d.json }
