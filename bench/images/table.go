package main

import (
	"fmt"
	"math"
	"os"
	"text/tabwriter"

	"vitrine/imaging"
)

// table is the printed result.
type table struct {
	out    *tabwriter.Writer
	bars   []bar
	equals []string // lines of the second table
}

func newTable() *table {
	t := &table{out: tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.out, "picture\tmethod\tCPU ms\tof libvips\tpeak MB\tbytes\tSSIM 1600\tSSIM 800\tSSIM 200\tCIEDE2000 mean\t95 %")
	return t
}

// add adds the rows of a picture to both tables.
func (t *table) add(name string, rows []row, equals []equal) {
	var vips float64
	for _, r := range rows {
		if r.Method == "libvips" {
			vips = r.median().Seconds()
		}
	}
	for _, r := range rows {
		ratio := "-"
		if vips > 0 {
			ratio = fmt.Sprintf("%.2f", r.median().Seconds()/vips)
		}
		t.bars = append(t.bars, bar{name, r.Method, r.median(), r.bytes, (r.ssim[0] + r.ssim[1] + r.ssim[2]) / 3})
		fmt.Fprintf(t.out, "%s\t%s\t%.1f\t%s\t%.0f\t%d\t%.4f\t%.4f\t%.4f\t%.2f\t%.2f\n", name, r.Method, r.median().Seconds()*1000,
			ratio, float64(r.Peak)/1e6, r.bytes, r.ssim[0], r.ssim[1], r.ssim[2], r.mean, r.high)
	}
	for i, e := range equals {
		if math.IsInf(e.webp, 0) { // the source is a JPEG of this size, whose SSIM no WebP reaches
			continue
		}
		t.equals = append(t.equals, fmt.Sprintf("%s\t%d\t%.4f\t%.0f\t%.0f\t%.2f\t%.0f", name, imaging.Sizes[i].Side, e.ssim,
			e.jpeg, e.webp, e.webp/e.jpeg, e.cpu.Seconds()*1000))
	}
}

// flush prints both tables.
func (t *table) flush() error {
	if err := t.out.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "\npicture\tpixels\tSSIM\tJPEG bytes\tWebP at that SSIM\tof JPEG\tCPU ms")
	for _, line := range t.equals {
		fmt.Fprintln(t.out, line)
	}
	return t.out.Flush()
}
