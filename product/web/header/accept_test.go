package header_test

import (
	"strings"
	"testing"

	"vitrine/product/web/header"
)

func TestPrefersWebP(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"":                                false,
		"*/*":                             false,
		"image/*":                         false,
		"image/webp":                      true,
		"Image/WebP":                      true,
		"image/avif,image/webp,*/*;q=0.8": true,
		"image/webp;q=0":                  false,
		"image/webp;q=0.000, */*":         false,
		"image/webp;q=0.5, image/jpeg":    false,
		"image/webp;q=0.5, image/*;q=0.6": false,
		"image/webp;q=0.5, image/jpeg;q=0.4, */*": true,
		"image/webp;q=0.5, */*;q=0.5":             true,
		"image/webp;q=1.0, image/jpeg":            true,
		"image/webp;q=2, image/png":               false, // an invalid weight
		"image/webp;q=, image/png":                false,
		"image/webp;q=0.1234":                     false,
		`image/webp;level="a,b;q=0";q=1`:          false, // another media range
		`image/png;x="image/webp"`:                false,
		"nonsense, image/webp":                    true,
		"/, ;, image/webp ; q=0.9":                true,
		"image/webp;q=0.9;ext=1":                  true,
		"image/webp image/png":                    false,
		"image/webp;q=0, image/webp":              false, // the first counts
	} {
		if got := header.PrefersWebP([]string{value}, "image/jpeg"); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if !header.PrefersWebP([]string{"text/html", "image/webp"}, "image/png") {
		t.Error("the second field was not read")
	}
}

// FuzzAccept checks properties that hold for every header.
func FuzzAccept(f *testing.F) {
	for _, value := range []string{
		"", "*/*", "image/webp", "image/avif,image/webp,image/apng,*/*;q=0.8", "image/webp;q=0", `image/webp;a="\",";q=0.5`,
		"image/webp;q=0.5, image/jpeg;q=0.9", ",,;;==", "image/webp;q=1.001", "a/b;c=d;q=0.1;e=f", "\x00", `"`, "image/webp;", "image/webp;;q=0",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wants := header.PrefersWebP([]string{value}, "image/jpeg")
		if wants && !strings.Contains(strings.ToLower(value), "image/webp") {
			t.Errorf("%q names no WebP", value)
		}
		for name, quality := range header.ParseAccept([]string{value}) {
			if quality < 0 || quality > 1000 || !strings.Contains(name, "/") || strings.ToLower(name) != name && !strings.Contains(name, "=") {
				t.Errorf("%q: %q has %d", value, name, quality)
			}
		}
	})
}
