// Command fuzz runs every fuzz target of the repository, one after the other, each
// for the same time, and says how many inputs each tried, how many of them led
// somewhere new, and what was found. It exits with 1 when there was something; the
// input that shows it is then in the package's testdata/fuzz, and part of its tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"
)

type options struct {
	time     time.Duration
	parallel int
	target   *regexp.Regexp
	packages []string
}

func main() {
	var o options
	flag.DurationVar(&o.time, "time", time.Minute, "for each target")
	flag.IntVar(&o.parallel, "parallel", 1, "inputs tried at once")
	pattern := flag.String("target", "", "only targets whose package and name match, such as imaging.FuzzPNG")
	flag.Parse()
	if o.packages = flag.Args(); len(o.packages) == 0 {
		o.packages = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *pattern); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, pattern string) (err error) {
	if o.target, err = regexp.Compile(pattern); err != nil {
		return err
	}
	targets, err := list(ctx, o)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("no target matches %q", o.target)
	}
	fmt.Printf("%d targets, %s each\n", len(targets), o.time)
	findings := 0
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "target\ttime\tinputs\tnew\tkept\tfound")
	for _, target := range targets {
		r := target.fuzz(ctx, o)
		if ctx.Err() != nil {
			break
		}
		if r.found {
			findings++
		}
		fmt.Println(r)
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%t\n", target, r.took.Round(time.Second), r.inputs, r.fresh, r.kept, r.found)
	}
	fmt.Println()
	if err := table.Flush(); err != nil {
		return err
	}
	if findings > 0 {
		return fmt.Errorf("%d targets found something", findings)
	}
	return ctx.Err()
}
