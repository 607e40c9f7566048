// Package admission decides which requests the process takes on: it bounds
// connections, concurrent requests and the memory of their bodies, long requests
// (uploads, event streams, held answers), and the rate of requests of each API key
// and client address.
//
// Of the project, it imports product/postgres and the packages header and problem
// beside it. A connection passes server.go, a request then requests.go and
// rate_limits.go; begin there.
package admission
