package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"

	"vitrine/imaging/imagingtest"
)

// scene is a product of the demo and the file behind its image.
type scene struct {
	file                        string
	product, description, price string
	draw                        func() []byte // nil: the file does not exist
}

var scenes = []scene{
	{"lighthouse.jpg", "Print: Lighthouse", "A photograph of 12 megapixels", "129.00", func() []byte {
		return imagingtest.JPEG(imagingtest.Leaves(4000, 3000, 1), 92, 1)
	}},
	{"portrait.jpg", "Print: Portrait", "The camera lay on its side; the EXIF orientation turns the image", "49.50", func() []byte {
		return imagingtest.JPEG(imagingtest.Stored(imagingtest.Leaves(1500, 2000, 2), 6), 90, 6)
	}},
	{"logo.png", "Sticker: Logo", "Transparency is kept", "3.20", func() []byte {
		return imagingtest.PNG(imagingtest.Logo(1200, 1200))
	}},
	{"field.webp", "Print: Field", "A lossless WebP", "19.90", func() []byte {
		return imagingtest.WebP(imagingtest.Leaves(1800, 1200, 3))
	}},
	{"chart.png", "Poster: Chart", "A few flat colours", "12.00", func() []byte {
		return imagingtest.PNG(imagingtest.Graphic(2400, 1600))
	}},
	{"thumb.gif", "Postcard", "A small GIF is never enlarged", "1.10", func() []byte {
		return imagingtest.GIF(imagingtest.Photo(400, 300, 4))
	}},
	{"missing.jpg", "Print: Sold out", "The image does not exist", "0.00", nil},
	{"animated.html", "Print: Not an image", "A page instead of an image", "7.77", imagingtest.HTML},
	{"cut.jpg", "Print: Half an image", "The file is truncated", "7.78", func() []byte {
		return imagingtest.Truncated(imagingtest.JPEG(imagingtest.Photo(1600, 1200, 5), 85, 1))
	}},
	{"bomb.png", "Print: 900 megapixels", "A few bytes that claim to be 30,000 x 30,000", "9.99", func() []byte {
		return imagingtest.PNGBomb(30000, 30000)
	}},
}

// sourceAddr is the preferred address of the images. The examples in README.md and
// docs/ use it.
const sourceAddr = "127.0.0.1:18088"

// source serves the scenes' files from loopback.
type source struct {
	url, port string
	server    *http.Server
	files     map[string]func() []byte // by path; drawn once, at the first request
}

func serveScenes(ctx context.Context) (*source, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", sourceAddr)
	if err != nil { // taken
		l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("image source: %w", err)
	}
	addr := l.Addr().(*net.TCPAddr)
	s := &source{
		url:   "http://" + addr.String(),
		port:  strconv.Itoa(addr.Port),
		files: map[string]func() []byte{},
	}
	for _, scene := range scenes {
		if scene.draw != nil {
			s.files["/"+scene.file] = sync.OnceValue(scene.draw)
		}
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go s.server.Serve(l)
	return s, nil
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Write(file())
}

func (s *source) close() { s.server.Close() }

func (s *source) urlOf(scene scene) string { return s.url + "/" + scene.file }

// bytesOf returns the size of the file behind a URL, also of one from an earlier run,
// or 0 if it does not exist.
func (s *source) bytesOf(url string) int {
	if file, ok := s.files["/"+path.Base(url)]; ok {
		return len(file())
	}
	return 0
}
