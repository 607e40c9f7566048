package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"vitrine/imaging/imagingtest"
)

// subject is a picture to compare the methods with.
type subject struct{ name, file string }

// drawn draws the pictures: overlapping shapes of all sizes before a sky, with shades,
// textures and sensor noise. libvips, if available, writes the progressive one in the
// usual ten scans.
func drawn(ctx context.Context, folder string, withVips bool) ([]subject, error) {
	var list []subject
	for i, s := range []struct {
		name          string
		width, height int
	}{{"12 MP", 4000, 3000}, {"3 MP", 2048, 1536}, {"0.5 MP", 816, 612}, {"6 MP progressive", 3000, 2000}} {
		fmt.Fprintf(os.Stderr, "images: drawing %s\n", s.name)
		photo := imagingtest.Leaves(s.width, s.height, int64(i+1))
		body := imagingtest.JPEG(photo, 90, 1)
		progressive := i == 3
		if progressive && !withVips {
			body = imagingtest.RareJPEG(photo, imagingtest.Coding{Progressive: true, Sampling: []byte{0x22, 0x11, 0x11}, Transform: -1})
		}
		file := filepath.Join(folder, fmt.Sprintf("drawn%d.jpg", i))
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return nil, err
		}
		if progressive && withVips {
			baseline := file
			file = filepath.Join(folder, "progressive.jpg")
			cmd := exec.CommandContext(ctx, "vips", "jpegsave", baseline, file, "--Q", "90", "--interlace")
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("vips jpegsave: %w: %s", err, out)
			}
		}
		list = append(list, subject{s.name, file})
	}
	return list, nil
}
