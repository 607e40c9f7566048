package header_test

import (
	"strings"
	"testing"
	"time"

	"vitrine/product/web/header"
)

// preferences has Prefer headers, whose lines are joined by a line feed, and their wait in
// seconds.
var preferences = map[string]int{
	"wait=10":                        10,
	"WAIT = 10":                      10,
	`wait="10"`:                      10,
	`wait="1\0"`:                     10,
	"wait=007":                       7,
	"wait=30":                        30,
	"wait=31":                        30,
	"wait=99999999999999999999":      30,
	"respond-async, wait=10":         10,
	"respond-async\nwait=10":         10,
	"return=minimal; a=b ; c,wait=5": 5,
	"wait=5; of=no; interest":        5,
	", ,wait=5,,":                    5,
	"foo;;bar, wait=5":               5,
	"wait=3, wait=8":                 3, // the first one counts
	"wait=x, wait=8":                 0,
	`foo=", wait=7", wait=5`:         5,
	`foo="\", wait=7", wait=5`:       5,
	"waiting=5":                      0,
	"wait":                           0,
	"wait=":                          0,
	`wait=""`:                        0,
	"wait=0":                         0,
	"wait=-1":                        0,
	"wait=+1":                        0,
	"wait=1.5":                       0,
	"wait=1e1":                       0,
	"wait=10s":                       0,
	"":                               0,
	"=5":                             0,
	"wait=5 6":                       0, // invalid syntax: the whole header is ignored
	"wait=5, =":                      0,
	"wait=5; =1":                     0,
	`wait=5, foo="`:                  0,
	`wait=5, foo="\`:                 0,
	"wait=5, ä":                      0,
	"wait=5, (x)":                    0,
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	for value, want := range preferences {
		if got := header.PreferredWait(strings.Split(value, "\n")); got != time.Duration(want)*time.Second {
			t.Errorf("%q: got %v, want %d s", value, got, want)
		}
	}
	if got := header.PreferredWait(nil); got != 0 {
		t.Errorf("no header: got %v", got)
	}
}

func FuzzPrefer(f *testing.F) {
	for value := range preferences {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wait := header.PreferredWait([]string{value})
		if wait < 0 || wait > 30*time.Second || wait%time.Second != 0 {
			t.Fatalf("%q: %v", value, wait)
		}
		// A preference before it counts if the rest is valid.
		if got := header.PreferredWait([]string{"wait=4", value}); wait > 0 && got != 4*time.Second || got != 0 && got != 4*time.Second {
			t.Fatalf("%q behind another: %v", value, got)
		}
		// Quoted text after it is not a preference.
		if got := header.PreferredWait([]string{value, `x="wait=9"`}); wait > 0 && got != wait {
			t.Fatalf("%q before a quoted one: %v, not %v", value, got, wait)
		}
	})
}
