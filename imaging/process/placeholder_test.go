package process_test

import (
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"testing"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// The placeholder and the average colour are those of the upright picture, in every format and
// orientation.
func TestProcessMakesAPlaceholder(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(360, 240, 1)
	want := mustProcess(t, imagingtest.PNG(photo))
	checkPlaceholder(t, want, true)
	rare := imagingtest.RareJPEG(photo, imagingtest.Coding{Sampling: []byte{0x11, 0x11, 0x11, 0x11}, Transform: 2})
	for name, src := range map[string][]byte{
		"jpeg": imagingtest.JPEG(photo, 95, 1), "turned jpeg": imagingtest.JPEG(imagingtest.Stored(photo, 6), 95, 6),
		"webp": imagingtest.WebP(photo), "inks": rare,
	} {
		got := mustProcess(t, src)
		checkPlaceholder(t, got, true)
		if d := levels(want.AverageColor, got.AverageColor); d > 3 {
			t.Errorf("%s: average colour %s, want %s", name, got.AverageColor, want.AverageColor)
		}
		if d := hashDistance(t, want.Placeholder, got.Placeholder); d > 2 {
			t.Errorf("%s: placeholder %s, want about %s", name, got.Placeholder, want.Placeholder)
		}
	}
}

func checkPlaceholder(t *testing.T, p *process.Processed, opaque bool) {
	t.Helper()
	hash, err := base64.StdEncoding.DecodeString(p.Placeholder)
	if err != nil || len(hash) < 5 || len(hash) > 25 || (hash[2]>>7 == 0) != opaque {
		t.Errorf("placeholder %q of an opaque picture: %v (%v)", p.Placeholder, opaque, err)
	}
}

// hashDistance returns the largest difference of two terms.
func hashDistance(t *testing.T, a, b string) int {
	t.Helper()
	p, errP := base64.StdEncoding.DecodeString(a)
	q, errQ := base64.StdEncoding.DecodeString(b)
	if errP != nil || errQ != nil || len(p) != len(q) {
		t.Fatalf("%s and %s: %v, %v", a, b, errP, errQ)
	}
	worst := 0
	for i := 5; i < len(p); i++ {
		for _, shift := range []int{0, 4} {
			d := int(p[i]>>shift&15) - int(q[i]>>shift&15)
			worst = max(worst, d, -d)
		}
	}
	return worst
}

func levels(a, b string) int {
	var p, q [3]int
	for s, v := range map[string]*[3]int{a: &p, b: &q} {
		if n, err := fmt.Sscanf(s, "#%02x%02x%02x", &v[0], &v[1], &v[2]); n != 3 || err != nil || len(s) != 7 {
			return 256
		}
	}
	if a == b {
		return 0
	}
	worst := 0
	for i := range p {
		worst = max(worst, p[i]-q[i], q[i]-p[i])
	}
	return worst
}

func TestProcessAverageColor(t *testing.T) {
	t.Parallel()
	flat := func(w, h int, c color.Color) *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		return m
	}
	half := flat(64, 64, color.NRGBA{200, 100, 50, 255})
	draw.Draw(half, image.Rect(0, 0, 64, 32), image.Transparent, image.Point{}, draw.Src)
	chequered := flat(64, 64, color.White)
	for i := range 64 * 64 {
		if (i+i/64)%2 == 0 {
			chequered.SetNRGBA(i%64, i/64, color.NRGBA{A: 255})
		}
	}
	tests := []struct {
		name   string
		m      image.Image
		want   string
		opaque bool
	}{
		{"orange", flat(300, 200, color.NRGBA{0xe8, 0x5d, 0x2a, 255}), "#e85d2a", true},
		{"one pixel", flat(1, 1, color.NRGBA{1, 2, 3, 255}), "#010203", true},
		{"a line", flat(1, 700, color.NRGBA{0xff, 0xff, 0xff, 255}), "#ffffff", true},
		{"half transparent", half, "#c86432", false},
		{"transparent", flat(64, 64, color.NRGBA{9, 9, 9, 0}), "", false},
		{"chequered", chequered, "#808080", true},
	}
	for _, test := range tests {
		got := mustProcess(t, imagingtest.RarePNG(test.m, imagingtest.PNGKind{Colour: 6, Depth: 8}))
		checkPlaceholder(t, got, test.opaque)
		if got.AverageColor != test.want && (test.want == "" || levels(got.AverageColor, test.want) > 1) {
			t.Errorf("%s: average colour is %q, want %q", test.name, got.AverageColor, test.want)
		}
	}
}
