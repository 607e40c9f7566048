package product

// ForgeCursor makes a cursor of the filter for any position.
func ForgeCursor(f Filter, key string, id int64) string { return f.cursor(position{key, id}) }

// Position gives what the filter's cursor says; ok is false where it is none of the
// filter's.
func Position(f Filter) (key string, id int64, ok bool) {
	p, fault := f.position()
	if p == nil || fault != nil {
		return "", 0, false
	}
	return p.key, p.id, true
}
