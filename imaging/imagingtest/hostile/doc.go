// Package hostile makes damaged and malicious picture files, and good ones that were damaged on
// their way. Tests hold everything that reads pictures to this corpus. It is generated, and the
// same every time. The package imports imagingtest. Begin with hostile.go.
package hostile
