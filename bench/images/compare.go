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
	"vitrine/imaging/ssim"
)

type bench struct {
	ways []string
	runs int
	temp string
}

// row is a line of the table.
type row struct {
	result
	bytes int64
	ssim  [len(imaging.Sizes)]float64
}

// compare runs all ways on a picture. Those that take nothing of it are left out.
func (b *bench) compare(ctx context.Context, s subject) ([]row, error) {
	fmt.Fprintf(os.Stderr, "images: %s\n", s.name)
	full, err := loadLuma(ctx, s.file, b.temp)
	if err != nil {
		return nil, err
	}
	var want [len(imaging.Sizes)]*image.Gray
	var rows []row
	for _, way := range b.ways {
		r, err := b.child(ctx, way, s.file)
		var refused *refusal
		if errors.As(err, &refused) {
			fmt.Fprintf(os.Stderr, "images: %s: %s refuses it: %s\n", s.name, way, strings.TrimSpace(refused.reason))
			continue
		}
		if err != nil {
			return nil, err
		}
		line := row{result: r}
		for i, file := range r.Files {
			info, err := os.Stat(file)
			if err != nil {
				return nil, err
			}
			line.bytes += info.Size()
			got, err := loadLuma(ctx, file, b.temp)
			if err != nil {
				return nil, err
			}
			if want[i] == nil || want[i].Rect.Size() != got.Rect.Size() {
				want[i] = scaled(full, got.Rect.Size())
			}
			line.ssim[i] = ssim.Gray(want[i], got)
		}
		rows = append(rows, line)
	}
	return rows, nil
}

// folder says what becomes of each file of a folder, and compares the ways on its
// JPEGs.
func (b *bench) folder(ctx context.Context, name string, table *table) (lines []string, err error) {
	p := imaging.NewProcessor(imaging.ProcessConfig{})
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
		got, err := p.Process(ctx, src)
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", short, err))
			return ctx.Err()
		}
		got.Release()
		main := got.Renditions[0]
		lines = append(lines, fmt.Sprintf("%s: ready, %s of %d x %d and %d bytes to %s of %d x %d and %d bytes", short,
			got.Format, got.Width, got.Height, len(src), main.Format, main.Width, main.Height, len(main.Body)))
		if got.Format != imaging.JPEG {
			return nil
		}
		rows, err := b.compare(ctx, subject{short, file})
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: not compared: %v", short, err))
			return ctx.Err()
		}
		table.add(short, rows)
		return nil
	})
	return lines, err
}
