// Package fetch downloads sources: pictures from URLs that clients name, and uploads from the
// object store. It connects only to public addresses, bounds time and bytes, and recognises a
// picture by its first bytes.
//
// The package imports imaging and no other package of the project. Begin with fetch.go.
// address.go, url.go and dial.go decide what may be connected to. hosts.go and host_queue.go
// defer images whose host is busy or failing. conditional.go has conditional requests, and
// object.go reads from the object store.
package fetch
