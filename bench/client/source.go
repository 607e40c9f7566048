package main

import (
	"net"
	"net/http"
	"time"

	"vitrine/imaging/imagingtest"
)

// source is a server of one picture.
type source struct {
	*http.Server
	url, port string
}

func serveSource() (*source, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	file := imagingtest.JPEG(imagingtest.Photo(640, 480, 1), 90, 1)
	s := &source{url: "http://" + listener.Addr().String() + "/picture.jpg"}
	if _, s.port, err = net.SplitHostPort(listener.Addr().String()); err != nil {
		return nil, err
	}
	s.Server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(file)
	})}
	go s.Serve(listener)
	return s, nil
}
