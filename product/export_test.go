package product

// ForgeCursor makes a cursor of the filter for any position.
func ForgeCursor(f Filter, key string, id int64) string { return f.CursorAt(ListPosition{key, id}) }

// Position gives what the filter's cursor says; ok is false where it is none of the
// filter's.
func Position(f Filter) (key string, id int64, ok bool) {
	p, fault := f.Position()
	if p == nil || fault != nil {
		return "", 0, false
	}
	return p.Key, p.ID, true
}
