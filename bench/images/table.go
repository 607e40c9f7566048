package main

import (
	"fmt"
	"os"
	"text/tabwriter"
)

// table is the result, in columns.
type table struct {
	out  *tabwriter.Writer
	bars []bar
}

func newTable() *table {
	t := &table{out: tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.out, "picture\tway\tCPU ms\tof libvips\tpeak MB\tbytes\tSSIM 1600\tSSIM 800\tSSIM 200")
	return t
}

func (t *table) add(name string, rows []row) {
	var vips float64
	for _, r := range rows {
		if r.Way == "libvips" {
			vips = r.median().Seconds()
		}
	}
	for _, r := range rows {
		ratio := "-"
		if vips > 0 {
			times := r.median().Seconds() / vips
			ratio = fmt.Sprintf("%.2f", times)
			t.bars = append(t.bars, bar{name, r.Way, times, (r.ssim[0] + r.ssim[1] + r.ssim[2]) / 3})
		}
		fmt.Fprintf(t.out, "%s\t%s\t%.1f\t%s\t%.0f\t%d\t%.4f\t%.4f\t%.4f\n", name, r.Way, r.median().Seconds()*1000,
			ratio, float64(r.Peak)/1e6, r.bytes, r.ssim[0], r.ssim[1], r.ssim[2])
	}
}

func (t *table) flush() error { return t.out.Flush() }
