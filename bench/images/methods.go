package main

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/image/draw"

	"vitrine/imaging"
	"vitrine/imaging/process"
)

// quality is the quality of the compared JPEGs.
const quality = 80

// vitrine returns the method that uses the pipeline. Quality 0 means the default. The
// named sizes are also made as WebP.
func vitrine(quality int, sizes ...string) method {
	p := process.New(process.Config{Quality: quality})
	return func(ctx context.Context, src, folder string) (time.Duration, error) {
		body, err := os.ReadFile(src)
		if err != nil {
			return 0, err
		}
		began := spent()
		got, err := p.Process(ctx, body, process.Options{WebP: sizes})
		if err != nil {
			return 0, err
		}
		cpu := spent() - began
		defer got.Release()
		for _, r := range got.Renditions { // a WebP comes last and overwrites the JPEG
			if err := os.WriteFile(filepath.Join(folder, r.Name+".jpg"), r.Body, 0o600); err != nil {
				return 0, err
			}
		}
		return cpu, nil
	}
}

// ximage is the method that the documentation of golang.org/x/image suggests.
func ximage(_ context.Context, src, folder string) (time.Duration, error) {
	body, err := os.ReadFile(src)
	if err != nil {
		return 0, err
	}
	began := spent()
	var files [len(imaging.Sizes)]bytes.Buffer
	last, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for i, size := range imaging.Sizes {
		bounds := fit(last.Bounds().Size(), size.Side)
		next := image.NewRGBA(bounds)
		draw.CatmullRom.Scale(next, bounds, last, last.Bounds(), draw.Src, nil)
		if err := jpeg.Encode(&files[i], next, &jpeg.Options{Quality: quality}); err != nil {
			return 0, err
		}
		last = next
	}
	cpu := spent() - began
	for i := range files {
		if err := write(folder, i, files[i].Bytes()); err != nil {
			return 0, err
		}
	}
	return cpu, nil
}

// fit returns the bounds with a longer side of side pixels. It never enlarges.
func fit(size image.Point, side int) image.Rectangle {
	ratio := min(float64(side)/float64(max(size.X, size.Y)), 1)
	scaled := func(n int) int { return max(int(math.Round(float64(n)*ratio)), 1) }
	return image.Rect(0, 0, scaled(size.X), scaled(size.Y))
}

// write writes the JPEG of size i.
func write(folder string, i int, body []byte) error {
	return os.WriteFile(filepath.Join(folder, imaging.Sizes[i].Name+".jpg"), body, 0o600)
}
