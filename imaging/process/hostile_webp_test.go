package process_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest/hostile"
	"vitrine/imaging/process"
)

// WebP variants contain no metadata of the source either, and WebP is made of every picture
// that can be processed.
func TestHostilePicturesAsWebP(t *testing.T) {
	t.Parallel()
	p := process.New(modest)
	made := 0
	for format, sources := range hostile.Sources() {
		for i, f := range sources {
			files := []hostile.File{f, {Name: f.Name + ", marked", Body: hostile.Marked(format, f.Body), Want: f.Want}}
			for s := range hostile.Flipped(f, 6, uint64(i)) {
				s.Want = survive(t, p, modest.Limits, s.Name, s.Body)
				files = append(files, s)
			}
			for _, f := range files {
				made += judgeWebP(t, p, f)
			}
		}
	}
	if made < 20 {
		t.Errorf("%d files in WebP", made)
	}
}

// judgeWebP returns the number of WebP files that a file led to.
func judgeWebP(t *testing.T, p *process.Processor, f hostile.File) (made int) {
	t.Helper()
	got, err := p.Process(t.Context(), f.Body, process.Options{WebP: []string{"main", "large", "small"}})
	if ready := err == nil; ready != (f.Want == hostile.Ready) {
		t.Errorf("%s: error is %v, want %s", f.Name, err, f.Want)
	}
	if err != nil {
		return 0
	}
	defer got.Release()
	for _, r := range got.Renditions {
		if r.Format != imaging.WebP {
			continue
		}
		made++
		open(t, r)
		if hostile.Holds(r.Body) {
			t.Errorf("%s: %s contains metadata of the source", f.Name, r.Object)
		}
		for rest := r.Body[12:]; len(rest) >= 8; {
			if name := string(rest[:4]); !slices.Contains([]string{"VP8 ", "VP8L", "VP8X", "ALPH"}, name) {
				t.Errorf("%s: %s has %s", f.Name, r.Object, name)
			}
			size := int(binary.LittleEndian.Uint32(rest[4:]))
			rest = rest[min(8+size+size&1, len(rest)):]
		}
	}
	return made
}
