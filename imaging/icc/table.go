package icc

import (
	"encoding/binary"
	"math"
)

// table is a multi-dimensional table of a profile with its curves and matrix (ICC.1:2022, 10.10 to 10.12).
type table struct {
	n       int // inputs
	in      [4]curve
	size    [4]int // grid points by input
	samples curve  // of the grid, three per point
	middle  [3]curve
	matrix  matrix
	offset  [3]float64
	out     [3]curve
	pcs     func(v [3]float64) [3]float64 // converts stored values to XYZ
}

// maxNodes limits the points of a table. Published profiles have up to 83,521.
const maxNodes = 300_000

// parseTable returns the transform of an A2B tag.
func parseTable(b []byte, space Space, lab bool) (*Transform, error) {
	t := &table{n: 3, matrix: identity}
	if space == CMYK {
		t.n = 4
	}
	if len(b) < 32 {
		return nil, ErrMalformed
	}
	if int(b[8]) != t.n || b[9] != 3 {
		return nil, ErrMalformed
	}
	var err error
	switch string(b[:4]) {
	case "mft1":
		t.pcs = encoding(lab, 1)
		err = t.parsePlain(b, 48, 256, 256, 1)
	case "mft2":
		if len(b) < 52 {
			return nil, ErrMalformed
		}
		t.pcs = encoding(lab, 65535.0/65280)
		err = t.parsePlain(b, 52, int(binary.BigEndian.Uint16(b[48:])), int(binary.BigEndian.Uint16(b[50:])), 2)
	case "mAB ":
		t.pcs = encoding(lab, 1)
		err = t.parseElements(b)
	default:
		err = ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	return &Transform{space: space, grid: newGrid(t)}, nil
}

// encoding returns the function that converts stored values, from 0 to 1, to XYZ. In Lab, L* of 100 and a* and b* of 127 are
// stored as 1, or as 65280/65535 in the older 16-bit form. In XYZ, 1+32767/32768 is stored as 1.
func encoding(lab bool, scale float64) func([3]float64) [3]float64 {
	if !lab {
		return func(v [3]float64) [3]float64 {
			const most = 1 + 32767.0/32768
			return [3]float64{v[0] * most, v[1] * most, v[2] * most}
		}
	}
	return func(v [3]float64) [3]float64 {
		return labToXYZ(100*scale*v[0], 255*scale*v[1]-128, 255*scale*v[2]-128)
	}
}

// parsePlain parses a lut8Type or lut16Type. It ignores the matrix, which only applies to XYZ as input.
func (t *table) parsePlain(b []byte, head, entries, outputs, width int) error {
	if entries < 2 || outputs < 2 || entries > 4096 || outputs > 4096 {
		return ErrMalformed
	}
	for i := range t.n {
		t.size[i] = int(b[10])
	}
	rest := b[head:]
	take := func(samples int) (curve, bool) {
		n := samples * width
		if n > len(rest) {
			return curve{}, false
		}
		c := curve{table: rest[:n:n], width: width}
		rest = rest[n:]
		return c, true
	}
	for i := range t.n {
		var ok bool
		if t.in[i], ok = take(entries); !ok {
			return ErrMalformed
		}
	}
	nodes, err := t.nodes()
	if err != nil {
		return err
	}
	var ok bool
	if t.samples, ok = take(3 * nodes); !ok {
		return ErrMalformed
	}
	for i := range t.out {
		if t.out[i], ok = take(outputs); !ok {
			return ErrMalformed
		}
	}
	return nil
}

// nodes returns the number of grid points.
func (t *table) nodes() (int, error) {
	n := 1
	for _, size := range t.size[:t.n] {
		if size < 2 {
			return 0, ErrMalformed
		}
		if n *= size; n > maxNodes {
			return 0, ErrUnsupported
		}
	}
	return n, nil
}

// parseElements parses a lutAToBType. It returns ErrUnsupported if the type has no table.
func (t *table) parseElements(b []byte) error {
	at := func(field int) []byte {
		offset := binary.BigEndian.Uint32(b[field:])
		if offset == 0 || uint64(offset) > uint64(len(b)) {
			return nil
		}
		return b[offset:]
	}
	grid := at(24)
	if grid == nil {
		return ErrUnsupported
	}
	if len(grid) < 20 {
		return ErrMalformed
	}
	for i := range t.n {
		t.size[i] = int(grid[i])
	}
	nodes, err := t.nodes()
	if err != nil {
		return err
	}
	width := int(grid[16])
	if width != 1 && width != 2 || 3*nodes*width > len(grid)-20 {
		return ErrMalformed
	}
	t.samples = curve{table: grid[20 : 20+3*nodes*width], width: width}
	if m := at(16); m != nil {
		if len(m) < 48 {
			return ErrMalformed
		}
		for i := range t.matrix {
			t.matrix[i] = fixed(m[4*i:])
		}
		for i := range t.offset {
			t.offset[i] = fixed(m[36+4*i:])
		}
	}
	if err := curves(at(28), t.in[:t.n], true); err != nil {
		return err
	}
	if err := curves(at(20), t.middle[:], false); err != nil {
		return err
	}
	return curves(at(12), t.out[:], true)
}

// curves parses a set of curves, each of which begins at a multiple of four bytes.
func curves(b []byte, list []curve, needed bool) error {
	if b == nil {
		if needed {
			return ErrMalformed
		}
		return nil
	}
	for i := range list {
		c, used, err := parseCurve(b)
		if err != nil {
			return err
		}
		list[i] = c
		b = b[min((used+3)&^3, len(b)):]
	}
	return nil
}

// rgb returns the sRGB colour of a grid point, which may exceed the range from 0 to 1.
func (t *table) rgb(node int) (out [3]float64) {
	var v [3]float64
	for i := range v {
		v[i] = t.middle[i].at(t.samples.sample(3*node + i))
	}
	v = t.matrix.apply(v)
	for i := range v {
		v[i] = t.out[i].at(v[i] + t.offset[i])
	}
	linear := fromXYZ.apply(t.pcs(v))
	for i, x := range linear {
		out[i] = encodeExtended(x)
	}
	return out
}

// position returns the position of an 8-bit sample of input k on the grid, in units of 1/part of a cell.
func (t *table) position(k int, sample byte) int {
	return int(math.Round(t.in[k].at(float64(sample)/255) * float64(t.size[k]-1) * part))
}
