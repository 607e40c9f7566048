package product

import "time"

// wireTime is a time in UTC with microseconds (RFC 3339).
type Timestamp time.Time

func (t Timestamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}
