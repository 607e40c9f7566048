package product

// ForgeCursor returns a cursor of the filter for any position.
func ForgeCursor(f Filter, key string, id int64) string { return f.CursorAt(ListPosition{key, id}) }

// CursorPosition returns the position in the filter's cursor; ok is false if the cursor is
// empty or not valid for the filter.
func CursorPosition(f Filter) (key string, id int64, ok bool) {
	p, fault := f.Position()
	if p == nil || fault != nil {
		return "", 0, false
	}
	return p.Key, p.ID, true
}
