package header

// ParseAccept returns the quality of each media range, in thousandths.
func ParseAccept(values []string) map[string]int { return parseAccept(values) }
