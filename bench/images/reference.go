package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"vitrine/imaging/jpeg"
)

// load returns a whole JPEG, PNG or WebP, upright. The decoders of Go and x/image read
// it; where a JPEG has metadata that may say how it has to be turned, libvips does.
func load(ctx context.Context, file, temp string) (image.Image, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(body, []byte("RIFF")) {
		return decodeWebP(body)
	}
	if bytes.HasPrefix(body, []byte("\x89PNG")) {
		return png.Decode(bytes.NewReader(body))
	}
	if head, err := jpeg.Inspect(body); err == nil && head.EXIF.Length > 0 {
		upright := filepath.Join(temp, "upright.png")
		cmd := exec.CommandContext(ctx, "vips", "autorot", file, upright)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("vips autorot: %w: %s", err, out)
		}
		if body, err = os.ReadFile(upright); err != nil {
			return nil, err
		}
		return png.Decode(bytes.NewReader(body))
	}
	return stdjpeg.Decode(bytes.NewReader(body))
}

func luma(m image.Image) *image.Gray {
	switch m := m.(type) {
	case *image.Gray:
		return m
	case *image.YCbCr:
		return &image.Gray{Pix: m.Y, Stride: m.YStride, Rect: m.Rect}
	}
	b := m.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for i := range out.Pix {
		c := color.YCbCrModel.Convert(m.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx())).(color.YCbCr)
		out.Pix[i] = c.Y
	}
	return out
}

// scaled is the best that is known of m at another size: Lanczos's kernel of three
// lobes in floating point, from the full picture.
func scaled(m *image.Gray, size image.Point) *image.Gray {
	from := m.Rect.Size()
	across, down := windows(from.X, size.X), windows(from.Y, size.Y)
	middle := make([]float32, size.X*from.Y)
	for y := range from.Y {
		row := m.Pix[y*m.Stride:][:from.X]
		for x, w := range across {
			var sum float32
			for k, weight := range w.weights {
				sum += weight * float32(row[w.first+k])
			}
			middle[y*size.X+x] = sum
		}
	}
	out := image.NewGray(image.Rectangle{Max: size})
	line := make([]float32, size.X)
	for y, w := range down {
		clear(line)
		for k, weight := range w.weights {
			for x, v := range middle[(w.first+k)*size.X:][:size.X] {
				line[x] += weight * v
			}
		}
		for x, v := range line {
			out.Pix[y*out.Stride+x] = byte(min(max(v+0.5, 0), 255))
		}
	}
	return out
}

type span struct {
	first   int
	weights []float32
}

func windows(from, to int) []span {
	ratio := float64(from) / float64(to)
	stretch := max(ratio, 1)
	list := make([]span, to)
	for i := range list {
		center := (float64(i)+0.5)*ratio - 0.5
		first := max(int(math.Ceil(center-3*stretch)), 0)
		last := min(int(math.Floor(center+3*stretch)), from-1)
		sum := 0.0
		weights := make([]float64, last-first+1)
		for j := range weights {
			weights[j] = lanczos(math.Abs(float64(first+j)-center) / stretch)
			sum += weights[j]
		}
		list[i] = span{first, make([]float32, len(weights))}
		for j, w := range weights {
			list[i].weights[j] = float32(w / sum)
		}
	}
	return list
}

func lanczos(x float64) float64 {
	if x == 0 {
		return 1
	}
	if x >= 3 {
		return 0
	}
	x *= math.Pi
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}
