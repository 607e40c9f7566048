package web_test

import (
	"encoding/base64"
	"testing"

	"vitrine/product/web"
)

func TestPayloadIsShownAsTextWhereItIsJSON(t *testing.T) {
	t.Parallel()
	const cut = 1000
	for name, test := range map[string]struct {
		payload string
		whole   int // 0 means the length of the payload
		text    string
	}{
		"an object":                 {`{"v":1,"a":"ä"}`, 0, `{"v":1,"a":"ä"}`},
		"a number":                  {`17`, 0, `17`},
		"nothing":                   {``, 0, ""},
		"a text":                    {`hello`, 0, ""},
		"two documents":             {`{} {}`, 0, ""},
		"invalid UTF-8":             {"{\"v\":\"\xff\"}", 0, ""},
		"a control character":       {"{\"v\":\"\x00\"}", 0, ""},
		"half of it":                {`{"v":`, 0, ""},
		"cut in a string":           {`{"v":[1,{"a":"b`, cut, `{"v":[1,{"a":"b`},
		"cut behind a member":       {`{"v":1`, cut, `{"v":1`},
		"cut behind a comma":        {`[1,`, cut, `[1,`},
		"cut in a literal":          {`{"v":tr`, cut, `{"v":tr`},
		"cut in a character":        {"{\"v\":\"\xc3", cut, `{"v":"`},
		"cut in a longer one":       {"{\"v\":\"\xf0\x9f\x98", cut, `{"v":"`},
		"cut behind a character":    {"{\"v\":\"ä", cut, `{"v":"ä`},
		"cut, no JSON":              {`hello`, cut, ""},
		"cut, invalid UTF-8":        {"{\"v\":\"\xff\xff\xff\xff", cut, ""},
		"cut, continuation bytes":   {"\x80\x80\x80\x80\x80\x80", cut, ""},
		"cut, another thing behind": {`{"v":1} hello`, cut, ""},
	} {
		whole := test.whole
		if whole == 0 {
			whole = len(test.payload)
		}
		want, wantEncoding := test.text, "text"
		if test.text == "" {
			want, wantEncoding = base64.StdEncoding.EncodeToString([]byte(test.payload)), "base64"
		}
		text, encoding, truncated := web.ShowPayload([]byte(test.payload), whole)
		if text != want || encoding != wantEncoding || truncated != (test.whole != 0) {
			t.Errorf("%s: %q as %s, truncated %t", name, text, encoding, truncated)
		}
	}
}
