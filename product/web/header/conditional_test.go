package header_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/product/web/header"
)

func TestParseCondition(t *testing.T) {
	t.Parallel()
	type result struct {
		Any      bool
		Versions []int64
		OK       bool
	}
	for value, want := range map[string]result{
		`*`:                      {Any: true, OK: true},
		` * `:                    {Any: true, OK: true},
		`"7"`:                    {Versions: []int64{7}, OK: true},
		`W/"7"`:                  {Versions: []int64{7}, OK: true},
		`"7", W/"8" ,"9"`:        {Versions: []int64{7, 8, 9}, OK: true},
		`, "7",,`:                {Versions: []int64{7}, OK: true},
		`"a,b", "7"`:             {Versions: []int64{7}, OK: true},
		`"07", "+7", "7.0", "0"`: {OK: true},
		`""`:                     {OK: true},
		`"9223372036854775808"`:  {OK: true},
		"\"\xff\"":               {OK: true},
		``:                       {OK: true},
		`7`:                      {},
		`"7`:                     {},
		`w/"7"`:                  {},
		`W/7`:                    {},
		`"7" "8"`:                {},
		`*, "7"`:                 {},
		`"7", *`:                 {},
		`"7 8"`:                  {},
	} {
		var got result
		c, ok := header.ParseCondition([]string{value})
		got.Any, got.Versions, got.OK = c.Any, c.Versions, ok
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	if c, ok := header.ParseCondition([]string{`"1"`, `"2"`}); !ok || !cmp.Equal(c.Versions, []int64{1, 2}) {
		t.Errorf("two header lines: got %v, %v", c.Versions, ok)
	}
}

func TestETagComesBack(t *testing.T) {
	t.Parallel()
	if c, ok := header.ParseCondition([]string{header.ETag(42)}); !ok || !cmp.Equal(c.Versions, []int64{42}) {
		t.Errorf("%s is read as %v, %v", header.ETag(42), c.Versions, ok)
	}
}
