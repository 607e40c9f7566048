package jpeg_test

import (
	"math/bits"
	"slices"
)

// craftTable has a code of two to sixteen bits for every symbol. Frequent symbols come first.
var craftTable, craftCodes = func() ([]byte, [256][2]uint32) {
	table := make([]byte, 16)
	frequent := []byte{
		0x00, 0x01, 0x11, 0x21, 0x02, 0x31, 0x41, 0x12, 0x03, 0x51, 0x61, 0x10, 0x71, 0x22, 0x20, 0x81, 0x04, 0x13,
		0x91, 0x30, 0x32, 0xa1, 0x40, 0x05, 0xf0, 0xb1, 0x42, 0x23, 0x50, 0xc1, 0x06, 0xd1, 0x60, 0x14, 0xe1, 0x70,
	}
	order := append([]byte{}, frequent...)
	for s := range 256 {
		if !containsByte(frequent, byte(s)) {
			order = append(order, byte(s))
		}
	}
	var codes [256][2]uint32
	code, k := uint32(0), 0
	for n, count := range [16]int{1: 1, 2: 1, 3: 3, 4: 4, 5: 6, 6: 8, 7: 10, 8: 12, 9: 16, 11: 40, 15: 155} {
		for range count {
			codes[order[k]] = [2]uint32{code, uint32(n + 1)}
			code++
			k++
		}
		code <<= 1
		table[n] = byte(count)
	}
	return slices.Concat(table, order), codes
}()

func containsByte(list []byte, b byte) bool {
	for _, v := range list {
		if v == b {
			return true
		}
	}
	return false
}

// craftWriter writes segments and entropy-coded data.
type craftWriter struct {
	*craft
	comps []craftComponent
	out   []byte
	acc   uint64
	n     uint

	pred    [4]int
	eobRun  int
	pending []byte // correction bits of the blocks in eobRun
}

func (w *craftWriter) segment(marker byte, body []byte) {
	for range w.fill {
		w.out = append(w.out, 0xff)
	}
	w.out = append(w.out, 0xff, marker, byte((len(body)+2)>>8), byte(len(body)+2))
	w.out = append(w.out, body...)
}

func (w *craftWriter) put(v uint32, n uint) {
	w.acc, w.n = w.acc<<n|uint64(v)&(1<<n-1), w.n+n
	for ; w.n >= 8; w.n -= 8 {
		b := byte(w.acc >> (w.n - 8))
		if w.out = append(w.out, b); b == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

func (w *craftWriter) align() {
	w.put(0x7f, 7)
	w.acc, w.n = 0, 0
}

func (w *craftWriter) symbol(s int) { w.put(craftCodes[s][0], uint(craftCodes[s][1])) }

func (w *craftWriter) value(v int) {
	size := uint(bits.Len(uint(max(v, -v))))
	if v < 0 {
		v--
	}
	w.put(uint32(v), size)
}

func size(v int) int { return bits.Len(uint(max(v, -v))) }

func (w *craftWriter) scan(s craftScan) {
	body := []byte{byte(len(s.comps))}
	for _, i := range s.comps {
		body = append(body, w.comps[i].id, 0)
	}
	w.segment(0xda, append(body, byte(s.start), byte(s.end), byte(s.high<<4|s.low)))
	units := w.units(s)
	w.pred = [4]int{}
	every, restarts := w.restart, 0
	if c := w.comps[s.comps[0]]; len(s.comps) == 1 && w.grouped {
		every *= c.h * c.v
	}
	for i, u := range units {
		for _, b := range u {
			if b.at >= 0 {
				w.block(s, b.comp, &w.comps[b.comp].blocks[b.at])
			}
		}
		if every > 0 && (i+1)%every == 0 && i+1 < len(units) {
			w.endRun()
			w.align()
			w.out = append(w.out, 0xff, byte(0xd0+restarts%8))
			restarts++
			w.pred = [4]int{}
		}
	}
	w.endRun()
	w.align()
}

// craftBlock is a block of a component. at is -1 for a block that is counted but not coded.
type craftBlock struct{ comp, at int }

// units returns the blocks of a scan by unit.
func (w *craftWriter) units(s craftScan) (units [][]craftBlock) {
	if len(s.comps) == 1 {
		c := &w.comps[s.comps[0]]
		for at := range c.blocks {
			switch {
			case at%c.across < c.right && at/c.across < c.below:
				units = append(units, []craftBlock{{s.comps[0], at}})
			case w.grouped:
				units = append(units, []craftBlock{{s.comps[0], -1}})
			}
		}
		return units
	}
	first := w.comps[s.comps[0]]
	across, down := first.across/first.h, first.down/first.v
	for i := range across * down {
		var unit []craftBlock
		for _, comp := range s.comps {
			c := &w.comps[comp]
			for j := range c.h * c.v {
				unit = append(unit, craftBlock{comp, (i/across*c.v+j/c.h)*c.across + i%across*c.h + j%c.h})
			}
		}
		units = append(units, unit)
	}
	return units
}

func (w *craftWriter) block(s craftScan, comp int, b *[64]int) {
	if s.start == 0 {
		dc := b[0] >> s.low
		if s.high > 0 {
			w.put(uint32(dc&1), 1)
			return
		}
		w.symbol(size(dc - w.pred[comp]))
		w.value(dc - w.pred[comp])
		w.pred[comp] = dc
	}
	switch {
	case s.high > 0:
		w.refine(s, b)
	case s.end > 0:
		w.band(s, b)
	}
}

// band writes the first scan of a band of AC coefficients (T.81 F.1.2.2 and G.1.2.2).
func (w *craftWriter) band(s craftScan, b *[64]int) {
	run := 0
	for k := max(s.start, 1); k <= s.end; k++ {
		v := b[k] / (1 << s.low)
		if v == 0 {
			run++
			continue
		}
		w.endRun()
		for ; run > 15; run -= 16 {
			w.symbol(0xf0)
		}
		w.symbol(run<<4 | size(v))
		w.value(v)
		run = 0
	}
	if run > 0 {
		if w.eobRun++; w.marker != 0xc2 || w.eobRun == 0x7fff {
			w.endRun()
		}
	}
}

// refine writes one more bit of a band of AC coefficients (T.81 figure G.7).
func (w *craftWriter) refine(s craftScan, b *[64]int) {
	last := 0
	for k := s.start; k <= s.end; k++ {
		if max(b[k], -b[k])>>s.low == 1 {
			last = k
		}
	}
	run := 0
	var corrections []byte
	emit := func(symbol int) {
		w.endRun()
		w.symbol(symbol)
	}
	for k := s.start; k <= s.end; k++ {
		v := max(b[k], -b[k]) >> s.low
		if v == 0 {
			run++
			continue
		}
		for ; run > 15 && k <= last; run -= 16 {
			emit(0xf0)
			w.corrections(corrections)
			corrections = nil
		}
		if v > 1 {
			corrections = append(corrections, byte(v&1))
			continue
		}
		emit(run<<4 | 1)
		sign := uint32(1)
		if b[k] < 0 {
			sign = 0
		}
		w.put(sign, 1)
		w.corrections(corrections)
		corrections = nil
		run = 0
	}
	if run > 0 || len(corrections) > 0 {
		w.pending = append(w.pending, corrections...)
		if w.eobRun++; w.eobRun == 0x7fff {
			w.endRun()
		}
	}
}

func (w *craftWriter) corrections(list []byte) {
	for _, b := range list {
		w.put(uint32(b), 1)
	}
}

// endRun writes the pending end-of-band run and the correction bits of its blocks.
func (w *craftWriter) endRun() {
	if w.eobRun > 0 {
		extra := bits.Len(uint(w.eobRun)) - 1
		w.symbol(extra << 4)
		w.put(uint32(w.eobRun), uint(extra))
	}
	w.corrections(w.pending)
	w.eobRun, w.pending = 0, nil
}
