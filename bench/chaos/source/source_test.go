package source_test

import (
	"bytes"
	"image"
	_ "image/gif" // the formats that are served
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	_ "golang.org/x/image/webp"

	"vitrine/bench/chaos/history"
	"vitrine/bench/chaos/source"
)

// get returns the status, the body and whether the body is complete.
func get(t *testing.T, url string) (int, []byte, bool) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, nil, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err == nil
}

// decodes reports whether the body is a picture.
func decodes(body []byte) bool {
	_, _, err := image.Decode(bytes.NewReader(body))
	return err == nil
}

func TestPicturesBehaveAsPromised(t *testing.T) {
	t.Parallel()
	s, err := source.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	first := map[string]history.Picture{} // of each behaviour
	urls := map[string]bool{}
	for range 600 {
		picture := s.Pick(rng)
		if urls[picture.URL] {
			t.Fatalf("%s was returned twice", picture.URL)
		}
		urls[picture.URL] = true
		name := strings.Split(picture.URL, "/")[3]
		if _, ok := first[name]; !ok {
			first[name] = picture
		}
	}
	failsOnce := map[string]bool{"flaky": true, "reset": true, "busy": true}
	for _, name := range []string{"good", "slow", "flaky", "reset", "busy", "missing", "page", "cut"} {
		picture, ok := first[name]
		if !ok {
			t.Errorf("no %s picture among 600", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			status, body, whole := get(t, picture.URL)
			good := status == http.StatusOK && whole && decodes(body)
			if want := picture.Ready && !failsOnce[name]; good != want {
				t.Errorf("first answer: %d, %d bytes, whole %t: good is %t, want %t", status, len(body), whole, good, want)
			}
			status, body, whole = get(t, picture.URL)
			if good := status == http.StatusOK && whole && decodes(body); good != picture.Ready {
				t.Errorf("second answer: %d, %d bytes, whole %t: good is %t, want %t", status, len(body), whole, good, picture.Ready)
			}
		})
	}
}

func TestBrokenUntilMended(t *testing.T) {
	t.Parallel()
	s, err := source.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(2, 2))
	picture := s.Pick(rng)
	for !strings.Contains(picture.URL, "/good/") {
		picture = s.Pick(rng)
	}
	s.Break()
	if status, _, _ := get(t, picture.URL); status != http.StatusServiceUnavailable {
		t.Errorf("status %d while it is broken, want 503", status)
	}
	s.Mend()
	if status, body, _ := get(t, picture.URL); status != http.StatusOK || !decodes(body) {
		t.Errorf("status %d and %d bytes after Mend", status, len(body))
	}
}
