package web_test

import (
	"strings"
	"testing"
	"time"

	"vitrine/product/web"
)

// preferences are Prefer headers, lines joined by a line feed, and the wait in them
// in seconds.
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
	"wait=5 6":                       0, // broken syntax from here on: the whole header is ignored
	"wait=5, =":                      0,
	"wait=5; =1":                     0,
	`wait=5, foo="`:                  0,
	`wait=5, foo="\`:                 0,
	"wait=5, ä":                      0,
	"wait=5, (x)":                    0,
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	for header, want := range preferences {
		if got := web.PreferredWait(strings.Split(header, "\n")); got != time.Duration(want)*time.Second {
			t.Errorf("%q: got %v, want %d s", header, got, want)
		}
	}
	if got := web.PreferredWait(nil); got != 0 {
		t.Errorf("no header: got %v", got)
	}
}

func FuzzPrefer(f *testing.F) {
	for header := range preferences {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait := web.PreferredWait([]string{header})
		if wait < 0 || wait > 30*time.Second || wait%time.Second != 0 {
			t.Fatalf("%q: %v", header, wait)
		}
		// A preference in front of it counts where the rest can be read at all.
		if got := web.PreferredWait([]string{"wait=4", header}); wait > 0 && got != 4*time.Second || got != 0 && got != 4*time.Second {
			t.Fatalf("%q behind another: %v", header, got)
		}
		// What comes behind in quotes is no preference.
		if got := web.PreferredWait([]string{header, `x="wait=9"`}); wait > 0 && got != wait {
			t.Fatalf("%q before a quoted one: %v, not %v", header, got, wait)
		}
	})
}
