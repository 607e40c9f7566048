// Command images compares the picture pipeline with two others in one run: the
// decoder, resizer and encoder that a Go program would take from the standard
// library and golang.org/x/image, and libvips's command line. It prints CPU time,
// peak memory, bytes, likeness (SSIM of the luma) and the difference of colours
// (CIEDE2000) for pictures that it draws, what WebP takes at the SSIM of the JPEG,
// and, for each file of a given folder, its result.
//
// All three make 1600, 800 and 200 pixels, one from the other, as JPEG of quality
// 80 and 4:2:0, on one thread; beside that the pipeline runs as it is shipped, and
// with WebP. Every way runs in processes of its own. libvips runs
// as vipsthumbnail, a process for each size; what a process takes for one picture
// is taken off what it takes for five, so that starting it does not count.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"vitrine/bench/debian"
)

type options struct {
	runs   int
	folder string
	plot   string // file to be written
	worker string // the way to run as a child process
}

func main() {
	var o options
	flag.IntVar(&o.runs, "n", 9, "number of runs per picture, of which the median is taken")
	flag.StringVar(&o.folder, "dir", "", "folder of further pictures")
	flag.StringVar(&o.plot, "plot", "", "an SVG file to write, of CPU time, bytes and likeness")
	flag.StringVar(&o.worker, "worker", "", "for the command itself: run one way on FILE and write to FOLDER")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, args []string) error {
	if o.worker != "" {
		if len(args) != 2 {
			return fmt.Errorf("worker mode needs a file and a folder")
		}
		return work(ctx, o.worker, args[0], args[1], o.runs)
	}
	ways := []string{"vitrine", "as shipped", "with WebP", "x/image"}
	if err := debian.Need(ctx, "vipsthumbnail", "libvips-tools"); err != nil {
		fmt.Fprintln(os.Stderr, "images: without libvips:", err)
	} else {
		ways = append(ways, "libvips")
	}
	temp, err := os.MkdirTemp("", "images")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	b := &bench{ways: ways, runs: o.runs, temp: temp}
	pictures, err := drawn(ctx, temp, slices.Contains(ways, "libvips"))
	if err != nil {
		return err
	}
	table := newTable()
	for _, p := range pictures {
		results, equals, err := b.compare(ctx, p)
		if err != nil {
			return err
		}
		table.add(p.name, results, equals)
	}
	var lines []string
	if o.folder != "" {
		if lines, err = b.folder(ctx, o.folder, table); err != nil {
			return err
		}
	}
	if err := table.flush(); err != nil {
		return err
	}
	if len(lines) > 0 {
		fmt.Printf("\n%s\n", strings.Join(lines, "\n"))
	}
	if o.plot == "" || len(table.bars) == 0 {
		return nil
	}
	return plot(o.plot, table.bars)
}
