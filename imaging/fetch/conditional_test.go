package fetch_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/imaging/fetch"
)

func TestFetchKeepsValidators(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"ETag", "Last-Modified", "Date"} {
			if r.URL.Query().Has(name) {
				w.Header().Set(name, r.URL.Query().Get(name))
			}
		}
		logo(w, r)
	}, nil)
	const day = "Tue, 03 Mar 2026 10:00:00 GMT"
	old := imaging.Validators{LastModified: day}
	now := time.Now().UTC().Format(http.TimeFormat)
	for query, want := range map[string]imaging.Validators{
		"":                                      {},
		`ETag="v1"`:                             {ETag: `"v1"`},
		`ETag=W/"v1"`:                           {ETag: `W/"v1"`},
		`ETag=""`:                               {ETag: `""`},
		`ETag=v1`:                               {},
		`ETag="v1`:                              {},
		`ETag="`:                                {},
		`ETag=w/"v1"`:                           {},
		`ETag="a"b"`:                            {},
		`ETag="a b"`:                            {},
		`ETag="ä"`:                              {},
		`ETag="` + strings.Repeat("x", 255):     {},
		"Last-Modified=" + day:                  old,
		"Last-Modified=2026-03-03T10:00:00Z":    {},
		"Last-Modified=" + now + "&Date=" + now: {}, // may change within the second
		"Last-Modified=" + day + "&Date=" + now: old,
		"Last-Modified=" + day + "&Date=" + day: {},
		"Last-Modified=Wednesday, 04-Mar-26 10:00:00 GMT": {LastModified: "Wednesday, 04-Mar-26 10:00:00 GMT"},
		`ETag="v1"&Last-Modified=` + day:                  {ETag: `"v1"`, LastModified: day},
	} {
		src, err := s.fetch(t, "/?"+strings.NewReplacer(" ", "%20", `"`, "%22", "ä", "%C3%A4").Replace(query))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, src.Validators); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestFetchOfWhatHasNotChanged(t *testing.T) {
	t.Parallel()
	changed := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" { // a redirect has no version
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.Header().Set("ETag", `W/"v2"`)
		http.ServeContent(w, r, "", changed, strings.NewReader(string(logoFile())))
	}, nil)
	for name, test := range map[string]struct {
		known imaging.Validators
		path  string
		same  bool
	}{
		"nothing known":   {imaging.Validators{}, "/", false},
		"tag":             {imaging.Validators{ETag: `W/"v2"`}, "/", true},
		"redirected":      {imaging.Validators{ETag: `W/"v2"`}, "/moved", true},
		"old tag":         {imaging.Validators{ETag: `"v1"`}, "/", false},
		"date":            {imaging.Validators{LastModified: changed.Format(http.TimeFormat)}, "/", true},
		"old date":        {imaging.Validators{LastModified: changed.Add(-time.Hour).Format(http.TimeFormat)}, "/", false},
		"tag before date": {imaging.Validators{ETag: `"v1"`, LastModified: changed.Format(http.TimeFormat)}, "/", false},
	} {
		src, release, err := s.fetcher.Fetch(t.Context(), s.URL+test.path, test.known, nil)
		release()
		if errors.Is(err, fetch.ErrNotModified) != test.same || err != nil && !test.same {
			t.Errorf("%s: error is %v", name, err)
		}
		if want := (imaging.Validators{ETag: `W/"v2"`, LastModified: changed.Format(http.TimeFormat)}); err == nil && src.Validators != want {
			t.Errorf("%s: %+v", name, src.Validators)
		}
	}
}
