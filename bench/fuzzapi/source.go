package main

import (
	"net"
	"net/http"
	"strings"
	"time"

	"vitrine/imaging/imagingtest"
)

// sources serves what the products' pictures are made of.
type sources struct {
	*http.Server
	url, port string
}

// serveSources starts serving: a picture, something that is none, a picture that
// takes a while, and nothing at every other path.
func serveSources() (*sources, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	good := imagingtest.PNG(imagingtest.Logo(64, 64))
	s := &sources{url: "http://" + listener.Addr().String()}
	_, s.port, _ = strings.Cut(listener.Addr().String(), ":")
	s.Server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.png":
			w.Write(good)
		case "/bad.png":
			w.Write([]byte("no picture"))
		case "/slow.png":
			select {
			case <-time.After(300 * time.Millisecond):
				w.Write(good)
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	})}
	go s.Serve(listener)
	return s, nil
}
