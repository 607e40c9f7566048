//go:build goexperiment.simd && go1.27

package resize

import "simd/archsimd"

// blockSize is the number of samples that the vertical pass computes at a time, and the number of coefficients that the
// horizontal pass loads at a time.
const blockSize = 16

// vectors scales one plane with AVX2. It uses the same fixed-point numbers as plain, so the results are the same.
type vectors struct {
	coefs  []int16 // width coefficients for each destination sample, padded with zeros
	firsts []int   // source sample of the first coefficient, by destination sample
	width  int     // 8, or a multiple of blockSize
	pairs  []int32 // of the vertical pass: two coefficients per word
	mid    []int16 // after the vertical pass
	length int     // of mid, without the zeros at its end
}

// prepare arranges the windows of the horizontal pass for loads of whole vectors, padding mid and each window with zeros. It
// returns false if the processor or the picture doesn't allow vectors.
func (v *vectors) prepare(width, channels int, across []window) bool {
	if channels != 1 || width < blockSize || len(across) < 8 || !archsimd.X86.AVX2() {
		return false
	}
	most := 1
	for _, w := range across {
		most = max(most, len(w.coefs))
	}
	v.width = 8
	if most > 8 {
		v.width = (most + blockSize - 1) / blockSize * blockSize
	}
	v.length = width
	v.mid = resized(v.mid, width+v.width)
	clear(v.mid[width:])
	v.coefs = resized(v.coefs, len(across)*v.width)
	clear(v.coefs)
	v.firsts = resized(v.firsts, len(across))
	for i, w := range across {
		v.firsts[i] = w.first
		for k, c := range w.coefs {
			v.coefs[i*v.width+k] = int16(c)
		}
	}
	return true
}

// row computes a destination row from the source rows of its window. rows has capacity for one more.
func (v *vectors) row(out []byte, rows [][]byte, w window) {
	v.pairs = v.pairs[:0]
	for k := 0; k < len(w.coefs); k += 2 {
		pair := int32(w.coefs[k]) & 0xffff
		if k+1 < len(w.coefs) {
			pair |= int32(w.coefs[k+1]) << 16
		}
		v.pairs = append(v.pairs, pair)
	}
	if len(rows)%2 != 0 { // the coefficient of the added row is zero
		rows = append(rows, rows[len(rows)-1])
	}
	v.vertical(rows)
	v.horizontal(out)
}

// vertical computes a row of the vertical pass. The last block overlaps the previous one, so that all blocks are complete.
func (v *vectors) vertical(rows [][]byte) {
	for i := 0; ; i += blockSize {
		i = min(i, v.length-blockSize)
		block(v.mid[i:], rows, v.pairs, i)
		if i == v.length-blockSize {
			return
		}
	}
}

// block computes blockSize samples of the vertical pass. Interleaving reorders the samples within each half of a vector;
// packing restores the order.
func block(out []int16, rows [][]byte, pairs []int32, i int) {
	lo := archsimd.BroadcastInt32x8(midRound)
	hi := lo
	for _, pair := range pairs {
		coefs := archsimd.BroadcastInt32x8(pair).ToBits().ReshapeToUint16s().BitsToInt16()
		a := archsimd.LoadUint8x16(rows[0][i:]).ExtendToUint16().BitsToInt16()
		b := archsimd.LoadUint8x16(rows[1][i:]).ExtendToUint16().BitsToInt16()
		lo = lo.Add(a.InterleaveLoGrouped(b).DotProductPairs(coefs))
		hi = hi.Add(a.InterleaveHiGrouped(b).DotProductPairs(coefs))
		rows = rows[2:]
	}
	lo, hi = lo.ShiftAllRight(midShift), hi.ShiftAllRight(midShift)
	lo.SaturateToInt16ConcatGrouped(hi).Store(out)
}

// horizontal computes a destination row, eight samples at a time. The last eight overlap the previous ones.
func (v *vectors) horizontal(out []byte) {
	four := (*vectors).wide
	switch v.width {
	case 8:
		for i := 0; ; i += 8 {
			i = min(i, len(out)-8)
			storeSamples((*[8]byte)(out[i:]), v.narrow(i), v.narrow(i+4))
			if i == len(out)-8 {
				return
			}
		}
	case blockSize:
		four = (*vectors).middle
	}
	for i := 0; ; i += 8 {
		i = min(i, len(out)-8)
		storeSamples((*[8]byte)(out[i:]), four(v, i), four(v, i+4))
		if i == len(out)-8 {
			return
		}
	}
}

// narrow returns the sums of four samples whose windows have up to eight coefficients.
func (v *vectors) narrow(i int) archsimd.Int32x4 {
	coefs, firsts, row := (*[32]int16)(v.coefs[8*i:]), (*[4]int)(v.firsts[i:]), v.mid
	a := archsimd.LoadInt16x8(row[firsts[0]:]).DotProductPairs(archsimd.LoadInt16x8(coefs[0:]))
	b := archsimd.LoadInt16x8(row[firsts[1]:]).DotProductPairs(archsimd.LoadInt16x8(coefs[8:]))
	c := archsimd.LoadInt16x8(row[firsts[2]:]).DotProductPairs(archsimd.LoadInt16x8(coefs[16:]))
	d := archsimd.LoadInt16x8(row[firsts[3]:]).DotProductPairs(archsimd.LoadInt16x8(coefs[24:]))
	return a.ConcatAddPairs(b).ConcatAddPairs(c.ConcatAddPairs(d))
}

// middle is narrow for up to blockSize coefficients.
func (v *vectors) middle(i int) archsimd.Int32x4 {
	coefs, firsts, row := (*[4 * blockSize]int16)(v.coefs[blockSize*i:]), (*[4]int)(v.firsts[i:]), v.mid
	a := archsimd.LoadInt16x16(row[firsts[0]:]).DotProductPairs(archsimd.LoadInt16x16(coefs[0:]))
	b := archsimd.LoadInt16x16(row[firsts[1]:]).DotProductPairs(archsimd.LoadInt16x16(coefs[blockSize:]))
	c := archsimd.LoadInt16x16(row[firsts[2]:]).DotProductPairs(archsimd.LoadInt16x16(coefs[2*blockSize:]))
	d := archsimd.LoadInt16x16(row[firsts[3]:]).DotProductPairs(archsimd.LoadInt16x16(coefs[3*blockSize:]))
	sum := a.ConcatAddPairsGrouped(b).ConcatAddPairsGrouped(c.ConcatAddPairsGrouped(d))
	return sum.GetLo().Add(sum.GetHi())
}

// wide is narrow for any number of coefficients.
func (v *vectors) wide(i int) archsimd.Int32x4 {
	var a, b, c, d archsimd.Int32x8
	firsts, n := (*[4]int)(v.firsts[i:]), v.width
	for k := 0; k < n; k += blockSize {
		coefs := v.coefs[i*n+k:]
		a = a.Add(archsimd.LoadInt16x16(v.mid[firsts[0]+k:]).DotProductPairs(archsimd.LoadInt16x16(coefs)))
		b = b.Add(archsimd.LoadInt16x16(v.mid[firsts[1]+k:]).DotProductPairs(archsimd.LoadInt16x16(coefs[n:])))
		c = c.Add(archsimd.LoadInt16x16(v.mid[firsts[2]+k:]).DotProductPairs(archsimd.LoadInt16x16(coefs[2*n:])))
		d = d.Add(archsimd.LoadInt16x16(v.mid[firsts[3]+k:]).DotProductPairs(archsimd.LoadInt16x16(coefs[3*n:])))
	}
	sum := a.ConcatAddPairsGrouped(b).ConcatAddPairsGrouped(c.ConcatAddPairsGrouped(d))
	return sum.GetLo().Add(sum.GetHi())
}

// storeSamples rounds eight sums to samples and stores them.
func storeSamples(out *[8]byte, a, b archsimd.Int32x4) {
	round, most := archsimd.BroadcastInt32x4(outRound), archsimd.BroadcastInt32x4(255)
	a = a.Add(round).ShiftAllRight(outShift).Min(most)
	b = b.Add(round).ShiftAllRight(outShift).Min(most)
	even := archsimd.LoadInt8x16Array(&lowBytes)
	var samples [16]byte
	a.SaturateToUint16Concat(b).ReshapeToUint8s().PermuteOrZero(even).StoreArray(&samples)
	copy(out[:], samples[:8])
}

// lowBytes selects the low byte of each of eight words.
var lowBytes = [16]int8{0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1}
