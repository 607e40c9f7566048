package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vitrine/imaging"
	"vitrine/imaging/process"
	"vitrine/imaging/ssim"
)

// bench compares the methods.
type bench struct {
	methods []string
	runs    int
	temp    string
}

// row is a row of the table.
type row struct {
	result
	bytes      int64
	ssim       [len(imaging.Sizes)]float64
	mean, high float64 // CIEDE2000 of the largest size: mean and 95th percentile
}

// target is the reference picture of a size.
type target struct {
	luma    *image.Gray
	colours colours
}

// compare runs all methods on a picture. It leaves out methods that refuse the picture.
func (b *bench) compare(ctx context.Context, s subject) (rows []row, equals []equal, err error) {
	fmt.Fprintf(os.Stderr, "images: %s\n", s.name)
	full, err := load(ctx, s.file, b.temp)
	if err != nil {
		return nil, nil, err
	}
	grays, planes := luma(full), colourPlanes(full)
	var want [len(imaging.Sizes)]target
	for _, method := range b.methods {
		r, err := b.child(ctx, method, s.file)
		var refused *refusal
		if errors.As(err, &refused) {
			fmt.Fprintf(os.Stderr, "images: %s: %s refuses it: %s\n", s.name, method, strings.TrimSpace(refused.reason))
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		line := row{result: r}
		for i, file := range r.Files {
			info, err := os.Stat(file)
			if err != nil {
				return nil, nil, err
			}
			line.bytes += info.Size()
			got, err := load(ctx, file, b.temp)
			if err != nil {
				return nil, nil, err
			}
			if size := got.Bounds().Size(); want[i].luma == nil || want[i].luma.Rect.Size() != size {
				want[i] = target{scaled(grays, size), planes.scaled(size)}
			}
			line.ssim[i] = ssim.Gray(want[i].luma, luma(got))
			if i == 0 {
				line.mean, line.high = want[i].colours.difference(colourPlanes(got))
			}
		}
		rows = append(rows, line)
	}
	for _, t := range want {
		if t.luma == nil {
			continue
		}
		e, err := compareWebP(t.colours.planar())
		if err != nil {
			return nil, nil, err
		}
		equals = append(equals, e)
	}
	return rows, equals, nil
}

// folder returns a line with the result of the pipeline for each file of a folder, and
// compares the methods for its JPEGs.
func (b *bench) folder(ctx context.Context, name string, table *table) (lines []string, err error) {
	p := process.New(process.Config{})
	err = filepath.WalkDir(name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(name, file)
		if err != nil {
			return err
		}
		got, err := p.Process(ctx, src, process.Options{})
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", short, err))
			return ctx.Err()
		}
		got.Release()
		main := got.Renditions[0]
		lines = append(lines, fmt.Sprintf("%s: ready, %s of %d x %d and %d bytes became %s of %d x %d and %d bytes", short,
			got.Format, got.Width, got.Height, len(src), main.Format, main.Width, main.Height, len(main.Body)))
		if got.Format != imaging.JPEG {
			return nil
		}
		rows, equals, err := b.compare(ctx, subject{short, file})
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: not compared: %v", short, err))
			return ctx.Err()
		}
		table.add(short, rows, equals)
		return nil
	})
	return lines, err
}
