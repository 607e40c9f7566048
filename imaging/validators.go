package imaging

// Validators identify the version of a source (RFC 9110, section 8.8), for conditional
// requests. The zero value means that the source has none.
type Validators struct {
	ETag         string // with its quotes; a weak one starts with W/
	LastModified string // the HTTP date exactly as it was received
}
