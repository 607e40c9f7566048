package main

import (
	"fmt"
	"os"
	"path"
	"text/tabwriter"
	"time"
)

// printTable prints one line per image, in at most 120 columns. took is the time from
// POST to the end of the work by product id, and may be nil.
func printTable(products []product, source *source, took map[int64]time.Duration) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PRODUCT\tIMAGE\tBYTES BEFORE\tBYTES AFTER\tSIZE\tSTATUS\tTIME\tRESULT")
	for _, p := range products {
		for _, image := range p.Images {
			before, after, size, duration, result := "-", "-", "-", "-", ""
			if n := source.bytesOf(image.Source); n > 0 {
				before = fmt.Sprint(n)
			}
			if d, ok := took[p.ID]; ok {
				duration = d.Round(time.Millisecond).String()
			}
			switch {
			case image.URL != nil:
				after = fmt.Sprint(image.Bytes)
				size = fmt.Sprintf("%dx%d", image.Width, image.Height)
				result = path.Base(*image.URL)
			case image.Error != nil:
				result = image.Error.Code
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				p.ID, path.Base(image.Source), before, after, size, image.Status, duration, result)
		}
	}
	return w.Flush()
}
