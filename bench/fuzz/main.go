// Command fuzz runs every fuzz target of the repository, one after the other, each for
// the same time. For each it prints how many inputs it ran, how many of them reached new
// code, and what it found. It exits with 1 after a finding; the failing input is then in
// the testdata/fuzz folder of the package and part of its tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
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
	flag.DurationVar(&o.time, "time", time.Minute, "time for each target")
	flag.IntVar(&o.parallel, "parallel", 1, "number of inputs run at the same time")
	pattern := flag.String("target", "", "regular expression for the package and name of the targets, such as process.FuzzPNG")
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
	for _, target := range targets {
		r := target.fuzz(ctx, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fmt.Println(r); r.found {
			findings++
		}
	}
	if findings > 0 {
		return fmt.Errorf("%d targets have findings", findings)
	}
	return nil
}
