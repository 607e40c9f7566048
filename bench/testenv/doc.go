// Package testenv is what tests share: the addresses of the local servers, a
// TCP proxy that fails on demand, and helpers that wait with a limit.
//
// It imports no other package of the project, so every package's tests may use
// it. Begin reading with [Setting] and [Proxy].
package testenv
