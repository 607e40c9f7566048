package main

import (
	"fmt"
	"os"
	"strings"
)

// bar is one measured value of the plot.
type bar struct {
	picture, way string
	cpu          float64 // relative to libvips
	likeness     float64 // mean SSIM of the three sizes
}

var colours = map[string]string{"vitrine": "#0b6e4f", "x/image": "#c8553d", "libvips": "#7a869a"}

// plot writes the CPU times relative to libvips as bars, with the likeness beside
// them, as an SVG.
func plot(file string, bars []bar) error {
	const left, height, gap, unit = 150, 18, 14, 110
	longest := 1.0
	for _, b := range bars {
		longest = max(longest, b.cpu)
	}
	var body strings.Builder
	y, last := 44, ""
	for _, b := range bars {
		if b.picture != last {
			if last != "" {
				y += gap
			}
			last = b.picture
			fmt.Fprintf(&body, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-10, y+13, escape(b.picture))
		}
		width := int(b.cpu * unit)
		fmt.Fprintf(&body, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left, y, width, height-3, colours[b.way])
		fmt.Fprintf(&body, `<text x="%d" y="%d">%s %.2f · SSIM %.4f</text>`+"\n", left+width+6, y+12, escape(b.way), b.cpu, b.likeness)
		y += height
	}
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#222">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#fff"/>`+"\n"+
		`<text x="%d" y="24" font-size="14">CPU time for 1600, 800 and 200 pixels, libvips = 1</text>`+"\n%s</svg>\n",
		left+int(longest*unit)+190, y+16, left, body.String())
	return os.WriteFile(file, []byte(svg), 0o600)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
