package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"vitrine/imaging"
)

// vipsCopies is the number of times that a process of libvips does a step. The additional
// time over doing it once, divided by vipsCopies-1, is the time of the step without that
// of starting the process.
const vipsCopies = 5

// libvips makes each size from the pixels of the one before, which it maps into memory
// from a file. Writing those files is not counted.
func libvips(ctx context.Context, src, folder string) (cpu time.Duration, peak int64, err error) {
	from := src
	for i, size := range imaging.Sizes {
		// The names differ because libvips caches results by name.
		names := make([]string, vipsCopies)
		for k := range names {
			names[k] = filepath.Join(folder, fmt.Sprintf("%d-%d%s", i, k, filepath.Ext(from)))
			if _, err := os.Lstat(names[k]); err != nil {
				if err := os.Symlink(from, names[k]); err != nil {
					return 0, 0, err
				}
			}
		}
		side := fmt.Sprintf("%dx%d>", size.Side, size.Side)
		out := filepath.Join(folder, size.Name+".jpg")
		args := []string{"--size", side, "--output", out + "[Q=" + strconv.Itoa(quality) + ",strip]"}
		once, memory, err := command(ctx, "vipsthumbnail", append(args, names[0])...)
		if err != nil {
			return 0, 0, err
		}
		all, _, err := command(ctx, "vipsthumbnail", append(args, names...)...)
		if err != nil {
			return 0, 0, err
		}
		cpu += max(all-once, 0) / (vipsCopies - 1)
		peak = max(peak, memory)
		pixels := filepath.Join(folder, size.Name+".v")
		if _, err := os.Stat(pixels); err != nil {
			number := strconv.Itoa(size.Side)
			if _, _, err := command(ctx, "vips", "thumbnail", from, pixels, number, "--height", number, "--size", "down"); err != nil {
				return 0, 0, err
			}
		}
		from = pixels
	}
	return cpu, peak, nil
}

// command runs a command and returns its CPU time and peak memory.
func command(ctx context.Context, name string, args ...string) (time.Duration, int64, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	peak := int64(0)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak, nil
}
