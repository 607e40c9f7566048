package source

import (
	"net/http"
	"sync"

	"vitrine/imaging/imagingtest"
)

// file is a drawn picture.
type file struct {
	name    string
	content []byte
}

// draw returns pictures of all formats. Most are small, so that a run can process many.
func draw() []file {
	jobs := []struct {
		name string
		draw func() []byte
	}{
		{"small.jpg", func() []byte { return imagingtest.JPEG(imagingtest.Photo(320, 240, 1), 85, 1) }},
		{"medium.jpg", func() []byte { return imagingtest.JPEG(imagingtest.Photo(800, 600, 2), 85, 1) }},
		{"turned.jpg", func() []byte { return imagingtest.JPEG(imagingtest.Stored(imagingtest.Photo(480, 640, 3), 6), 85, 6) }},
		{"large.jpg", func() []byte { return imagingtest.JPEG(imagingtest.Photo(1600, 1200, 4), 85, 1) }},
		{"logo.png", func() []byte { return imagingtest.PNG(imagingtest.Logo(400, 400)) }},
		{"chart.png", func() []byte { return imagingtest.PNG(imagingtest.Graphic(640, 480)) }},
		{"photo.gif", func() []byte { return imagingtest.GIF(imagingtest.Photo(320, 240, 5)) }},
		{"photo.webp", func() []byte { return imagingtest.WebP(imagingtest.Photo(400, 300, 6)) }},
	}
	files := make([]file, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		wg.Go(func() { files[i] = file{job.name, job.draw()} })
	}
	wg.Wait()
	return files
}

func (s *Source) servePage(w http.ResponseWriter, _ *http.Request, _ []byte) {
	_, _ = w.Write(imagingtest.HTML()) // fails if the client has disconnected
}

func (s *Source) serveCut(w http.ResponseWriter, _ *http.Request, file []byte) {
	_, _ = w.Write(imagingtest.Truncated(file)) // fails if the client has disconnected
}
