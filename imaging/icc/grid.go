package icc

import "math"

// grid is a table whose points are sRGB colours, indexed by 8-bit samples.
type grid struct {
	cells  [4][256]cell // by input and sample
	stride [4]int       // from one grid point to the next, in nodes
	nodes  []int16      // three per point, in units of 1/one
}

// cell is the position of a sample: the index of the point below it in nodes, and the distance from there in units of 1/part.
type cell struct{ at, on int32 }

const (
	part = 1 << 14
	one  = 1 << 14 // 1 in sRGB; nodes range from -2 to 2
)

// newGrid evaluates a table.
func newGrid(t *table) *grid {
	g := new(grid)
	stride := 3
	for k := t.n - 1; k >= 0; k-- {
		g.stride[k] = stride
		for i := range g.cells[k] {
			position := t.position(k, byte(i))
			at := min(position/part, t.size[k]-2)
			g.cells[k][i] = cell{int32(at * stride), int32(position - at*part)}
		}
		stride *= t.size[k]
	}
	g.nodes = make([]int16, stride)
	for i := 0; i < len(g.nodes); i += 3 {
		for c, v := range t.rgb(i / 3) {
			g.nodes[i+c] = int16(min(max(math.Round(v*one), math.MinInt16), math.MaxInt16))
		}
	}
	return g
}

// edge is the distance of a colour along one edge of its cell.
type edge struct{ on, stride int32 }

// order puts the longer distance first.
func order(a, b *edge) {
	if a.on < b.on {
		*a, *b = *b, *a
	}
}

// rgb converts pixels of four bytes in place by interpolation in the tetrahedron around each colour.
func (g *grid) rgb(row []byte) {
	var last, result [3]byte
	known := false
	for i := 0; i+4 <= len(row); i += 4 {
		p := (*[4]byte)(row[i:])
		if colour := [3]byte(p[:3]); colour != last || !known {
			x, y, z := g.cells[0][p[0]], g.cells[1][p[1]], g.cells[2][p[2]]
			a, b, c := edge{x.on, int32(g.stride[0])}, edge{y.on, int32(g.stride[1])}, edge{z.on, int32(g.stride[2])}
			order(&a, &b)
			order(&b, &c)
			order(&a, &b)
			var sum [3]int
			at := x.at + y.at + z.at
			g.add(&sum, at, part-a.on)
			at += a.stride
			g.add(&sum, at, a.on-b.on)
			at += b.stride
			g.add(&sum, at, b.on-c.on)
			g.add(&sum, at+c.stride, c.on)
			result, last, known = sum8(&sum), colour, true
		}
		p[0], p[1], p[2] = result[0], result[1], result[2]
	}
}

// cmyk converts inks to opaque pixels by interpolation in the four-dimensional simplex around each colour.
func (g *grid) cmyk(dst []byte, inks [4][]byte) {
	var last [4]byte
	var result [3]byte
	known := false
	for i := range len(dst) / 4 {
		colour := [4]byte{inks[0][i], inks[1][i], inks[2][i], inks[3][i]}
		if colour != last || !known {
			var e [4]edge
			at := int32(0)
			for k, v := range colour {
				c := g.cells[k][v]
				e[k] = edge{c.on, int32(g.stride[k])}
				at += c.at
			}
			order(&e[0], &e[1])
			order(&e[2], &e[3])
			order(&e[0], &e[2])
			order(&e[1], &e[3])
			order(&e[1], &e[2])
			var sum [3]int
			g.add(&sum, at, part-e[0].on)
			at += e[0].stride
			g.add(&sum, at, e[0].on-e[1].on)
			at += e[1].stride
			g.add(&sum, at, e[1].on-e[2].on)
			at += e[2].stride
			g.add(&sum, at, e[2].on-e[3].on)
			g.add(&sum, at+e[3].stride, e[3].on)
			result, last, known = sum8(&sum), colour, true
		}
		d := (*[4]byte)(dst[4*i:])
		d[0], d[1], d[2], d[3] = result[0], result[1], result[2], 255
	}
}

// add adds a weighted grid point to sum.
func (g *grid) add(sum *[3]int, at, weight int32) {
	node := (*[3]int16)(g.nodes[at : at+3])
	sum[0] += int(node[0]) * int(weight)
	sum[1] += int(node[1]) * int(weight)
	sum[2] += int(node[2]) * int(weight)
}

// sum8 returns an interpolated colour as bytes.
func sum8(sum *[3]int) (out [3]byte) {
	const shift = 28 // of part times one
	for i, v := range sum {
		out[i] = byte(min(max((v*255+1<<(shift-1))>>shift, 0), 255))
	}
	return out
}
