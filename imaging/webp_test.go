package imaging_test

import (
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/picture"
)

func TestProcessWebPOfADrawing(t *testing.T) {
	t.Parallel()
	p := imaging.NewProcessor(imaging.ProcessConfig{})
	src := picture.PNG(picture.Logo(1000, 700))
	plain := process(t, src)
	got, err := p.ProcessWebP(t.Context(), src, "main", "small")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	base := len(plain.Renditions)
	for _, r := range got.Renditions[base:] {
		open(t, r)
		t.Log(r.Name, r.Object, r.Width, len(r.Body))
	}
	for i, r := range plain.Renditions {
		t.Log(r.Name, len(r.Body), len(got.Renditions[i].Body))
	}
}
