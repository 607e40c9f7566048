package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of memory or data in bytes. Its text form is a whole number with
// an optional unit: B, KiB, MiB, GiB (powers of 1024) or kB, MB, GB (of 1000).
type Bytes int64

var units = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"B", 1}, {"", 1}, // the shorter suffixes last: every unit ends in B
}

// UnmarshalText parses the text form.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			break
		}
		*b = Bytes(n * u.size)
		return nil
	}
	return fmt.Errorf("%q is not a number of bytes, such as 20MiB", s)
}

// String returns the amount in the largest power-of-1024 unit that is exact.
func (b Bytes) String() string {
	for _, u := range []int{2, 1, 0} {
		if b != 0 && int64(b)%units[u].size == 0 {
			return strconv.FormatInt(int64(b)/units[u].size, 10) + units[u].suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Port is a TCP port, 1 to 65535.
type Port int

// UnmarshalText parses a decimal port number.
func (p *Port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a port number from 1 to 65535", text)
	}
	*p = Port(n)
	return nil
}
