package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"vitrine/config"
	"vitrine/imaging"
	"vitrine/product"
)

// reprocess is the command that has ready pictures made anew by the service's
// replicas, in the background. It needs the database alone, and may be broken off
// and repeated: what was asked for is not asked for twice.
func reprocess(ctx context.Context, cfg config.Config, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vitrine reprocess", flag.ContinueOnError)
	all := flags.Bool("all", false, "every ready picture: its source is asked whether it has changed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reprocess: %q is not an argument", flags.Arg(0))
	}
	store, err := product.Open(product.Config{DSN: cfg.DatabaseURL, MaxOpen: 2})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer func() { _ = store.Close() }()
	recipe := imaging.Recipe(cfg.Likeness, cfg.WebPSizes)
	if *all {
		recipe = ""
	}
	total := 0
	err = store.ReprocessAll(ctx, recipe, func(n int) { total = n })
	switch {
	case errors.Is(err, context.Canceled):
		_, err = fmt.Fprintf(stdout, "broken off: %d pictures will be reprocessed, the next call goes on\n", total)
	case err == nil:
		_, err = fmt.Fprintf(stdout, "%d pictures will be reprocessed\n", total)
	}
	return err
}
