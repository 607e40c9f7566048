package header_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// FuzzParseCondition checks that an accepted list means the same after it is formatted and parsed
// again.
func FuzzParseCondition(f *testing.F) {
	for _, value := range []string{`*`, `"7"`, `W/"7"`, `"7", W/"8" ,"9"`, `, "7",,`, `"a,b", "7"`, `"07", "+7"`, `""`, `"9223372036854775808"`, "\"\xff\"", ``, `7`, `"7`, `w/"7"`, `"7" "8"`, `*, "7"`, "\t*"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := header.ParseCondition([]string{value})
		all, versions := c.Any, c.Versions
		if !ok {
			if all || versions != nil {
				t.Errorf("%q is broken and means %v %v", value, all, versions)
			}
			return
		}
		again := "*"
		if !all {
			tags := make([]string, len(versions))
			for i, v := range versions {
				if v <= 0 || !strings.Contains(value, `"`+strconv.FormatInt(v, 10)+`"`) {
					t.Errorf("%q has no version %d", value, v)
				}
				tags[i] = header.ETag(v)
			}
			again = strings.Join(tags, ", ")
		}
		got, ok := header.ParseCondition([]string{again})
		if !ok || got.Any != all || !slices.Equal(got.Versions, versions) {
			t.Errorf("%q is %q, which means %v %v", value, again, got.Any, got.Versions)
		}
	})
}

// FuzzIdempotencyKey checks that a key is visible ASCII, and is the same with and without quotes.
func FuzzIdempotencyKey(f *testing.F) {
	for _, value := range []string{"a", `"a"`, `"a\"b\\c"`, `"a`, `"`, `""`, "", " ", "ä", "\x00", `a"b`, `"a" `, strings.Repeat("k", 255), strings.Repeat("k", 256), `"\x"`} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, err := header.IdempotencyKey(http.Header{"Idempotency-Key": {value}})
		if err != nil {
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != "invalid_idempotency_key" {
				t.Errorf("%q: %v", value, err)
			}
			return
		}
		if key == "" || len(key) > 255 || strings.Trim(key, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%q has the key %q", value, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := header.IdempotencyKey(http.Header{"Idempotency-Key": {quoted}}); err != nil || again != key {
			t.Errorf("%q is %q, and quoted %q, %v", value, key, again, err)
		}
	})
}
