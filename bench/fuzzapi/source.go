package main

import (
	"net"
	"net/http"
	"strings"
	"time"

	"vitrine/imaging/imagingtest"
)

// sources is a server of the products' pictures.
type sources struct {
	*http.Server
	url, port string
}

// serveSources starts a server with a valid picture, a file that is no picture, and a
// slow picture. Every other path is a 404.
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
