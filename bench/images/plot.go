package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// bar is the result of a method for a picture.
type bar struct {
	picture, method string
	cpu             time.Duration
	bytes           int64
	similarity      float64 // mean SSIM of the three sizes
}

// ink is the colour of each method. The colours differ for colour-blind readers too.
var ink = map[string]string{
	"vitrine": "#0b6e4f", "as shipped": "#3a9d7c", "with WebP": "#e0a030", "x/image": "#b5483a", "libvips": "#6b7a90",
}

// The dimensions of the plot, in pixels.
const (
	margin     = 130 // left of the first panel, for the names of the pictures
	panel      = 330
	between    = 50 // for the numbers after the bars
	barHeight  = 13
	groupGap   = 14
	plotTop    = 92
	plotBottom = 46
)

// measure is the quantity in a panel.
type measure struct {
	title string
	value func(bar) float64
	form  string
}

// plot writes CPU time, bytes and loss of SSIM as bars, one panel each, as an SVG. It
// has its own background, so that it is readable on pages of any colour.
func plot(file string, bars []bar) error {
	measures := []measure{
		{"CPU time, ms", func(b bar) float64 { return b.cpu.Seconds() * 1000 }, "%.0f"},
		{"three files, kB", func(b bar) float64 { return float64(b.bytes) / 1000 }, "%.0f"},
		{"loss of SSIM, (1 − SSIM) × 1000", func(b bar) float64 { return 1000 * (1 - b.similarity) }, "%.1f"},
	}
	tops, height := layout(bars)
	width := margin + len(measures)*(panel+between)
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="11" fill="#222">`+"\n",
		width, height, width, height)
	s.WriteString(`<rect width="100%" height="100%" rx="6" fill="#fff"/>` + "\n")
	s.WriteString(`<text x="20" y="26" font-size="15" font-weight="bold">1600, 800 and 200 px of one image, on one thread; lower is better</text>` + "\n")
	legend(&s, bars)
	for i, b := range bars {
		if i == 0 || bars[i-1].picture != b.picture {
			n := 1
			for i+n < len(bars) && bars[i+n].picture == b.picture {
				n++
			}
			fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end" font-size="12">%s</text>`+"\n", margin-12, tops[i]+n*barHeight/2+4, escape(b.picture))
		}
	}
	for k, m := range measures {
		drawPanel(&s, m, bars, tops, margin+k*(panel+between), height)
	}
	s.WriteString("</svg>\n")
	return os.WriteFile(file, []byte(s.String()), 0o644)
}

// layout returns the top of each bar and the height of the plot.
func layout(bars []bar) (tops []int, height int) {
	y := plotTop
	for i, b := range bars {
		if i > 0 && bars[i-1].picture != b.picture {
			y += groupGap
		}
		tops = append(tops, y)
		y += barHeight
	}
	return tops, y + plotBottom
}

// legend draws the legend.
func legend(s *strings.Builder, bars []bar) {
	seen := map[string]bool{}
	x := margin
	for _, b := range bars {
		if seen[b.method] {
			continue
		}
		seen[b.method] = true
		fmt.Fprintf(s, `<rect x="%d" y="44" width="12" height="12" fill="%s"/><text x="%d" y="54" font-size="12">%s</text>`+"\n",
			x, ink[b.method], x+17, escape(b.method))
		x += 40 + 7*len(b.method)
	}
}

// drawPanel draws an axis from zero, with a grid at round values, and the bars.
func drawPanel(s *strings.Builder, m measure, bars []bar, tops []int, x, height int) {
	most := 0.0
	for _, b := range bars {
		most = max(most, m.value(b))
	}
	step := roundStep(most / 4)
	scale := panel / (step * math.Ceil(most/step))
	bottom := height - plotBottom + 6
	fmt.Fprintf(s, `<text x="%d" y="%d" font-size="12" font-weight="bold">%s</text>`+"\n", x, plotTop-14, m.title)
	for v := 0.0; v <= most+step*0.999; v += step {
		at := x + int(v*scale)
		fmt.Fprintf(s, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#ddd"/><text x="%d" y="%d" text-anchor="middle" fill="#555">%g</text>`+"\n",
			at, plotTop-6, at, bottom, at, bottom+14, v)
	}
	for i, b := range bars {
		w := int(m.value(b) * scale)
		fmt.Fprintf(s, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d" font-size="10">`+m.form+"</text>\n",
			x, tops[i], w, barHeight-2, ink[b.method], x+w+4, tops[i]+barHeight-3, m.value(b))
	}
}

// roundStep returns the smallest of 1, 2 and 5 times a power of ten that is at least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(v, 1e-9))))
	for _, k := range []float64{1, 2, 5} {
		if v <= k*power {
			return k * power
		}
	}
	return 10 * power
}

// escape escapes text for XML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
