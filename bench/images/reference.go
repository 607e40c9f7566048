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

// load decodes a JPEG, PNG or WebP and turns it upright. It uses the decoders of Go and
// x/image, or libvips for a JPEG whose metadata may contain an orientation.
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

// luma returns the luma of the picture.
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

// scaled returns the reference for m at another size: scaled from the full picture with
// a Lanczos kernel of three lobes in floating point.
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

// span holds the weights of the source pixels that one pixel is made of.
type span struct {
	first   int
	weights []float32
}

// windows returns the span of each pixel of a line.
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

// lanczos returns the kernel at x >= 0.
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
