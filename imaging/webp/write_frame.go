package webp

import (
	"encoding/binary"
	"errors"
	"slices"
)

// tokenCounts holds how often each branch of the token tree was false and true.
type tokenCounts [4][8][3][11][2]uint32

// add counts the tokens of a block.
func (t *tokenCounts) add(kind, ctx int, values *[16]int16, first, last int) {
	n := first
	for ; n < last; n++ {
		node := &t[kind][bands[n]][ctx]
		if n == first || values[n-1] != 0 {
			node[0][1]++
		}
		v := int(values[n])
		v = max(v, -v)
		walkToken(int(tokenOf[v]), func(i int, bit bool) {
			if bit {
				node[i][1]++
			} else {
				node[i][0]++
			}
		})
		ctx = min(v, 2)
	}
	if n < 16 {
		t[kind][bands[n]][ctx][0][0]++
	}
}

// probs returns new probabilities for those branches where they save more than writing them costs, and old ones for others.
func (t *tokenCounts) probs(old *tokenProbs) tokenProbs {
	next := *old
	for k := range t {
		for b := range t[k] {
			for c := range t[k][b] {
				for i, n := range t[k][b][c] {
					was, update := old[k][b][c][i], updateProbs[k][b][c][i]
					zeros, ones := int64(n[0]), int64(n[1])
					if zeros+ones == 0 {
						continue
					}
					p := uint8(min(max((256*zeros+(zeros+ones)/2)/(zeros+ones), 1), 255))
					price := func(p uint8) int64 { return zeros*int64(cost(false, p)) + ones*int64(cost(true, p)) }
					stay := price(was) + int64(cost(false, update))
					if price(p)+int64(cost(true, update))+8*256 < stay {
						next[k][b][c][i] = p
					}
				}
			}
		}
	}
	return next
}

// errTooLarge is returned for a picture whose modes exceed the first partition. It can't occur below about 10 megapixels.
var errTooLarge = errors.New("webp: picture is too large: its modes exceed the first partition")

// write returns the frame (RFC 6386, section 9).
func (e *encoder) write() ([]byte, error) {
	w := newBoolWriter()
	w.putUint(0, 2) // the standard colour space; decoders clip values
	e.parts.write(w)
	w.putUint(0, 1) // the normal loop filter
	w.putUint(uint32(e.parts.segments[segments-1].filter), 6)
	w.putUint(0, 3) // no sharpness
	w.putUint(0, 1) // no adjustment by mode
	w.putUint(0, 2) // one partition of values
	w.putUint(uint32(e.parts.segments[0].index), 7)
	for range 5 {
		w.putOptional(0, 4)
	}
	w.putUint(0, 1) // probabilities don't apply to later frames
	probs := e.counts.probs(&defaultProbs)
	for k := range probs {
		for b := range probs[k] {
			for c := range probs[k][b] {
				for i, p := range probs[k][b][c] {
					changed := p != defaultProbs[k][b][c][i]
					w.put(changed, updateProbs[k][b][c][i])
					if changed {
						w.putUint(uint32(p), 8)
					}
				}
			}
		}
	}
	e.writeModes(w)
	first := w.finish()
	if len(first) >= 1<<19 {
		return nil, errTooLarge
	}
	tag := uint32(len(first))<<5 | 1<<4 // a shown key frame of version 0
	head := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 0x01, 0x2a}
	head = binary.LittleEndian.AppendUint16(head, uint16(e.size.X))
	head = binary.LittleEndian.AppendUint16(head, uint16(e.size.Y))
	return slices.Concat(head, first, e.writeValues(&probs)), nil
}

// writeModes writes the choices for each macroblock (section 11).
func (e *encoder) writeModes(w *boolWriter) {
	skipped := 0
	for i := range e.mbs {
		if e.mbs[i].skip {
			skipped++
		}
	}
	n := len(e.mbs)
	probSkip := uint8(min(max(256*(n-skipped)/n, 1), 255))
	w.putUint(1, 1)
	w.putUint(uint32(probSkip), 8)
	top := make([]uint8, 4*e.mbw)
	var left [4]uint8
	for i := range e.mbs {
		mb := &e.mbs[i]
		if i%e.mbw == 0 {
			left = [4]uint8{}
		}
		e.parts.writeSegment(w, mb.segment)
		w.put(mb.skip, probSkip)
		w.put(!mb.small, probLarge)
		above := top[4*(i%e.mbw):][:4]
		if mb.small {
			for k, m := range mb.modes {
				p := &modeProbs[above[k&3]][left[k>>2]]
				walkSmall(int(m), func(node int, bit bool) { w.put(bit, p[node]) })
				above[k&3], left[k>>2] = m, m
			}
		} else {
			walkLarge(int(mb.mode), w.put)
			for k := range 4 {
				above[k], left[k] = mb.mode, mb.mode
			}
		}
		walkChroma(int(mb.chromaMode), w.put)
	}
}

// writeValues returns the partition of coefficients (section 13).
func (e *encoder) writeValues(probs *tokenProbs) []byte {
	w := newBoolWriter()
	tops := make([]context, e.mbw)
	var left context
	put := func(kind, ctx int, values *[16]int16, first, last int) {
		w.putBlock(probs, kind, ctx, values, first, last)
	}
	for i := range e.mbs {
		if i%e.mbw == 0 {
			left = context{}
		}
		top := &tops[i%e.mbw]
		if e.mbs[i].skip {
			skip := context{8: top[8]}
			skipLeft := context{8: left[8]}
			if !e.mbs[i].small {
				skip[8], skipLeft[8] = 0, 0
			}
			*top, left = skip, skipLeft
			continue
		}
		e.levels[i].walk(e.mbs[i].small, top, &left, put)
	}
	return w.finish()
}

// putBlock writes the tokens of a block.
func (w *boolWriter) putBlock(probs *tokenProbs, kind, ctx int, values *[16]int16, first, last int) {
	n := first
	for ; n < last; n++ {
		p := &probs[kind][bands[n]][ctx]
		if n == first || values[n-1] != 0 {
			w.put(true, p[0])
		}
		v := int(values[n])
		negative := v < 0
		v = max(v, -v)
		token := int(tokenOf[v])
		walkToken(token, func(node int, bit bool) { w.put(bit, p[node]) })
		if token > 4 {
			extra := categoryProbs[token-5]
			for i, p := range extra {
				w.put((v-categoryBase[token-5])>>(len(extra)-1-i)&1 != 0, p)
			}
		}
		if v > 0 {
			w.put(negative, 128)
		}
		ctx = min(v, 2)
	}
	if n < 16 {
		w.put(false, probs[kind][bands[n]][ctx][0])
	}
}
