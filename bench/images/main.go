// Command images compares the picture pipeline with two others: the decoder, resizer and
// encoder of the standard library and golang.org/x/image, and the command line of
// libvips. For pictures that it draws, it prints CPU time, peak memory, bytes, SSIM of the
// luma, difference of colours (CIEDE2000), and the bytes of WebP with the SSIM of the
// JPEG. For each file of a given folder, it prints what the pipeline makes of it.
//
// All three make 1600, 800 and 200 pixels, each from the one before, as JPEG of quality
// 80 and 4:2:0, on one thread. The pipeline also runs with its default settings ("as
// shipped") and with WebP. Every method runs in separate processes. libvips runs as
// vipsthumbnail, one process per size; the cost of starting it is not counted, as the
// cost of one picture is subtracted from that of five.
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
	plot   string // path of the SVG to write
	worker string // the method to run as a child process
}

func main() {
	var o options
	flag.IntVar(&o.runs, "n", 9, "number of runs per picture, of which the median is printed")
	flag.StringVar(&o.folder, "dir", "", "folder with more pictures to compare")
	flag.StringVar(&o.plot, "plot", "", "SVG file to write, with a plot of CPU time, bytes and SSIM")
	flag.StringVar(&o.worker, "worker", "", "internal: run one method on FILE and write to FOLDER")
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
			return fmt.Errorf("-worker needs a file and a folder")
		}
		return work(ctx, o.worker, args[0], args[1], o.runs)
	}
	methods := []string{"vitrine", "as shipped", "with WebP", "x/image"}
	if err := debian.Need(ctx, "vipsthumbnail", "libvips-tools"); err != nil {
		fmt.Fprintln(os.Stderr, "images: without libvips:", err)
	} else {
		methods = append(methods, "libvips")
	}
	temp, err := os.MkdirTemp("", "images")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	b := &bench{methods: methods, runs: o.runs, temp: temp}
	pictures, err := drawn(ctx, temp, slices.Contains(methods, "libvips"))
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
