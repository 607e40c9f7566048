package jpeg_test

import (
	"image"
	"math"

	"vitrine/imaging/jpeg/jpegtest"
)

// craft describes a test file. The standard library's encoder only writes 4:2:0 in one sequential scan.
type craft struct {
	width, height int
	sampling      []image.Point
	marker        byte // 0xc0, 0xc1 or 0xc2
	scans         []craftScan
	restart       int  // restart interval; 0 for no restarts
	grouped       bool // count restart intervals as image/jpeg does in scans of one component
	quant         int  // quantiser of every coefficient
	fill          int  // fill bytes before each marker
	tail          string
}

// craftScan describes a scan: components by index, band, and successive approximation.
type craftScan struct {
	comps                 []int
	start, end, high, low int
}

// craftComponent holds quantised coefficients, in zigzag order.
type craftComponent struct {
	id           byte
	h, v         int
	across, down int // padded to whole units
	right, below int // coded in a scan of its own
	blocks       [][64]int
}

var naturalOrder = func() (order [64]int) {
	x, y, step := 0, 0, 1
	for k := range order {
		order[k] = 8*y + x
		switch nx, ny := x+step, y-step; {
		case nx > 7:
			y, step = y+1, -1
		case ny > 7:
			x, step = x+1, 1
		case ny < 0:
			x, step = x+1, -1
		case nx < 0:
			y, step = y+1, 1
		default:
			x, y = nx, ny
		}
	}
	return order
}()

// components returns the coefficients of the texture at the resolution of each component.
func (c *craft) components() []craftComponent {
	maxH, maxV := 1, 1
	sampling := c.sampling
	if len(sampling) == 1 {
		sampling = []image.Point{{X: 1, Y: 1}} // the factors of a single component are ignored
	}
	for _, s := range sampling {
		maxH, maxV = max(maxH, s.X), max(maxV, s.Y)
	}
	unitsX, unitsY := ceil(c.width, 8*maxH), ceil(c.height, 8*maxV)
	comps := make([]craftComponent, len(sampling))
	t := jpegtest.Texture{Side: float64(max(c.width, c.height))}
	for i, s := range sampling {
		p := craftComponent{id: byte(i + 1), h: s.X, v: s.Y, across: unitsX * s.X, down: unitsY * s.Y}
		p.right, p.below = ceil(ceil(c.width*s.X, maxH), 8), ceil(ceil(c.height*s.Y, maxV), 8)
		p.blocks = make([][64]int, p.across*p.down)
		for b := range p.blocks {
			bx, by := b%p.across*8, b/p.across*8
			p.blocks[b] = c.coefficients(func(x, y int) float64 {
				return t.At(i, float64((bx+x)*maxH/s.X), float64((by+y)*maxV/s.Y)) - 128
			})
		}
		comps[i] = p
	}
	return comps
}

// coefficients returns the quantised forward DCT (T.81 A.3.3), in zigzag order.
func (c *craft) coefficients(at func(x, y int) float64) (out [64]int) {
	var rows [64]float64
	for y := range 8 {
		for u := range 8 {
			for x := range 8 {
				rows[8*y+u] += at(x, y) * basis[u][x]
			}
		}
	}
	for k, z := range naturalOrder {
		sum := 0.0
		for y := range 8 {
			sum += rows[8*y+z%8] * basis[z/8][y]
		}
		out[k] = int(math.Round(sum / float64(c.quant)))
	}
	return out
}

var basis = func() (b [8][8]float64) {
	for u := range b {
		scale := 0.5
		if u == 0 {
			scale = math.Sqrt(0.125)
		}
		for x := range b[u] {
			b[u][x] = scale * math.Cos(float64((2*x+1)*u)*math.Pi/16)
		}
	}
	return b
}()

func ceil(a, b int) int { return (a + b - 1) / b }

// encode returns the file.
func (c *craft) encode() []byte {
	w := &craftWriter{craft: c, comps: c.components()}
	w.out = []byte{0xff, 0xd8}
	dqt := []byte{0x10}
	for range 64 {
		dqt = append(dqt, byte(c.quant>>8), byte(c.quant))
	}
	if c.marker == 0xc0 && c.quant < 256 {
		dqt = []byte{0x00}
		for range 64 {
			dqt = append(dqt, byte(c.quant))
		}
	}
	w.segment(0xdb, dqt)
	sof := []byte{8, byte(c.height >> 8), byte(c.height), byte(c.width >> 8), byte(c.width), byte(len(w.comps))}
	for i, p := range w.comps {
		sof = append(sof, p.id, byte(c.sampling[i].X<<4|c.sampling[i].Y), 0)
	}
	w.segment(c.marker, sof)
	w.segment(0xc4, append([]byte{0x00}, craftTable...))
	w.segment(0xc4, append([]byte{0x10}, craftTable...))
	if c.restart > 0 {
		w.segment(0xdd, []byte{byte(c.restart >> 8), byte(c.restart)})
	}
	for _, s := range c.scans {
		w.scan(s)
	}
	w.out = append(w.out, 0xff, 0xd9)
	return append(w.out, c.tail...)
}

// together returns one scan of all n components.
func together(n int) []craftScan { return []craftScan{{comps: upTo(n), end: 63}} }

// apart returns a scan for each of n components.
func apart(n int) (scans []craftScan) {
	for i := range n {
		scans = append(scans, craftScan{comps: []int{i}, end: 63})
	}
	return scans
}

// progression returns scans like those of libjpeg, which use every kind of progressive coding.
func progression(n int) []craftScan {
	scans := []craftScan{{comps: upTo(n), low: 1}}
	for i := n - 1; i >= 0; i-- {
		scans = append(scans, craftScan{[]int{i}, 1, 5, 0, 2}, craftScan{[]int{i}, 6, 63, 0, 2})
	}
	for i := range n {
		scans = append(scans, craftScan{[]int{i}, 1, 63, 2, 1})
	}
	scans = append(scans, craftScan{comps: upTo(n), high: 1})
	for i := range n {
		scans = append(scans, craftScan{[]int{i}, 1, 63, 1, 0})
	}
	return scans
}

// selection returns scans with spectral selection only and separate DC scans.
func selection(n int) (scans []craftScan) {
	for i := range n {
		scans = append(scans, craftScan{comps: []int{i}},
			craftScan{[]int{i}, 1, 2, 0, 0}, craftScan{[]int{i}, 3, 9, 0, 0}, craftScan{[]int{i}, 10, 63, 0, 0})
	}
	return scans
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}
