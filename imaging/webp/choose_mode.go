package webp

// score returns the weighted sum of error and bits, in 2^-16 squared samples.
func score(distortion int64, rate int32, lambda int64) int64 {
	return distortion<<16 + lambda*int64(rate)
}

// large holds the coefficients of a macroblock's luma predicted by one mode for all of it.
type large struct {
	dc     [16]int16 // first coefficients after the second transform
	coeffs [firstU][16]int16
	score  int64
}

// chooseLarge finds the best mode for all of the luma, and codes it. It returns the mode and its score.
func (w *work) chooseLarge(lv *levels) (mode uint8, total int64) {
	var tries [2]large
	best := &tries[0]
	best.score = noPath
	for m := range modes16 {
		try := &tries[0]
		if try == best {
			try = &tries[1]
		}
		w.luma.predict(m)
		w.tryLarge(try, m)
		if try.score < best.score {
			best, mode = try, uint8(m)
		}
	}
	w.luma.predict(int(mode))
	return mode, w.codeLarge(best, int(mode), lv)
}

// tryLarge computes the score of a mode without refining the values.
func (w *work) tryLarge(t *large, mode int) {
	var dc, values [16]int16
	var block [16]byte
	distortion, rate := int64(0), largeCost[mode]
	top, left := w.top, w.left
	q := &w.seg.lumaAfterDC
	for i := range firstU {
		w.luma.block(i, &block)
		forward4(&w.source[i], &block, &t.coeffs[i])
		dc[i] = t.coeffs[i][0]
		last, d := q.quantise(&t.coeffs[i], &values, 1)
		distortion += d
		rate += w.costs.block(q.kind, int(top[i&3]+left[i>>2]), &values, 1, last)
		top[i&3] = coded(last, 1)
		left[i>>2] = top[i&3]
	}
	forwardWalsh(&dc, &t.dc)
	last, d := w.seg.lumaDC.quantise(&t.dc, &values, 0)
	rate += w.costs.block(lumaDC, int(top[8]+left[8]), &values, 0, last)
	t.score = score(distortion+d, rate, w.lambda)
}

// codeLarge computes the final values and samples and returns the score.
func (w *work) codeLarge(t *large, mode int, lv *levels) int64 {
	var dc, restored [16]int16
	seg, top, left := w.seg, w.top, w.left
	last := seg.lumaDC.refine(w.costs, int(top[8]+left[8]), &t.dc, &lv[blockDC], 0, w.lambda)
	rate := largeCost[mode] + w.costs.block(lumaDC, int(top[8]+left[8]), &lv[blockDC], 0, last)
	seg.lumaDC.restore(&lv[blockDC], &restored, 0)
	inverseWalsh(&restored, &dc)
	distortion := int64(0)
	var block [16]byte
	for i := range firstU {
		ctx := int(top[i&3] + left[i>>2])
		last := seg.lumaAfterDC.refine(w.costs, ctx, &t.coeffs[i], &lv[i], 1, w.lambda)
		rate += w.costs.block(lumaAfterDC, ctx, &lv[i], 1, last)
		top[i&3] = coded(last, 1)
		left[i>>2] = top[i&3]
		seg.lumaAfterDC.restore(&lv[i], &restored, 1)
		restored[0] = dc[i]
		w.luma.block(i, &block)
		inverse4(&restored, &block, &w.out[i])
		distortion += squares(&w.source[i], &w.out[i])
	}
	return score(distortion, rate, w.lambda)
}

// squares returns the sum of the squared differences.
func squares(a, b *[16]byte) int64 {
	sum := int32(0)
	for i := range a {
		d := int32(a[i]) - int32(b[i])
		sum += d * d
	}
	return int64(sum)
}

// chooseSmall finds a mode for each block of luma, and codes the blocks. It returns false, and changes nothing, if the score
// reaches limit.
func (w *work) chooseSmall(topModes []uint8, leftModes *[4]uint8, limit int64, lv *levels) (modes [16]uint8, ok bool) {
	var out [firstU][16]byte
	copy(out[:], w.out[:firstU])
	var mine [firstU][16]int16
	top, left := w.top, w.left
	total := score(0, smallCost, w.lambda)
	q := &w.seg.luma
	for i := range firstU {
		above, before := topModes[i&3], leftModes[i>>2]
		if i >= 4 {
			above = modes[(i-4)&15]
		}
		if i&3 > 0 {
			before = modes[(i-1)&15]
		}
		ctx := int(top[i&3] + left[i>>2])
		e := w.edge(i)
		mode, coeffs := w.chooseBlock(i, &e, ctx, &modeCost[above][before])
		modes[i] = uint8(mode)
		var pred [16]byte
		var restored [16]int16
		predict4(mode, &e, &pred)
		last := q.refine(w.costs, ctx, &coeffs, &mine[i], 0, w.lambda)
		q.restore(&mine[i], &restored, 0)
		inverse4(&restored, &pred, &w.out[i])
		rate := modeCost[above][before][mode] + w.costs.block(luma, ctx, &mine[i], 0, last)
		total += score(squares(&w.source[i], &w.out[i]), rate, w.lambda)
		if total >= limit {
			copy(w.out[:], out[:])
			return modes, false
		}
		top[i&3] = coded(last, 0)
		left[i>>2] = top[i&3]
	}
	copy(lv[:], mine[:])
	lv[blockDC] = [16]int16{}
	return modes, true
}

// tried is the number of modes of a block that are coded to determine their score: the modes with the closest predictions.
// More modes rarely find a better one.
const tried = 4

// chooseBlock returns the best mode of block i of luma, and its coefficients. price is the cost of each mode.
func (w *work) chooseBlock(i int, e *edge4, ctx int, price *[modes4]int32) (mode int, coeffs [16]int16) {
	var preds [modes4][16]byte
	var near [tried]int
	var nearest [tried]int64
	for m := range modes4 {
		predict4(m, e, &preds[m])
		s := score(squares(&w.source[i], &preds[m]), price[m], w.lambda)
		k := min(m, tried)
		for ; k > 0 && s < nearest[k-1]; k-- {
			if k < tried {
				nearest[k], near[k] = nearest[k-1], near[k-1]
			}
		}
		if k < tried {
			nearest[k], near[k] = s, m
		}
	}
	var c, values [16]int16
	best := noPath
	for _, m := range near {
		forward4(&w.source[i], &preds[m], &c)
		last, d := w.seg.luma.quantise(&c, &values, 0)
		s := score(d, price[m]+w.costs.block(luma, ctx, &values, 0, last), w.lambda)
		if s < best {
			best, mode, coeffs = s, m, c
		}
	}
	return mode, coeffs
}

// chooseChroma finds the best mode for both chroma planes, codes them, and returns the mode.
func (w *work) chooseChroma(lv *levels) (mode uint8) {
	var tries [2][8][16]int16
	best, using, free := noPath, 0, 1
	for m := range modes16 {
		w.chroma[0].predict(m)
		w.chroma[1].predict(m)
		if s := w.tryChroma(&tries[free], m); s < best {
			best, mode = s, uint8(m)
			using, free = free, using
		}
	}
	w.chroma[0].predict(int(mode))
	w.chroma[1].predict(int(mode))
	top, left := w.top, w.left
	var block [16]byte
	var restored [16]int16
	q := &w.seg.chroma
	for i := range 8 {
		t, l := besideChroma(i)
		last := q.refine(w.costs, int(top[t]+left[l]), &tries[using][i], &lv[firstU+i], 0, w.seg.chromaLambda)
		top[t] = coded(last, 0)
		left[l] = top[t]
		q.restore(&lv[firstU+i], &restored, 0)
		w.chroma[i>>2].block(i&3, &block)
		inverse4(&restored, &block, &w.out[firstU+i])
	}
	return mode
}

// tryChroma computes the coefficients of a mode and returns its score.
func (w *work) tryChroma(coeffs *[8][16]int16, mode int) int64 {
	var block [16]byte
	var values [16]int16
	distortion, rate := int64(0), chromaCost[mode]
	top, left := w.top, w.left
	for i := range 8 {
		t, l := besideChroma(i)
		w.chroma[i>>2].block(i&3, &block)
		forward4(&w.source[firstU+i], &block, &coeffs[i])
		last, d := w.seg.chroma.quantise(&coeffs[i], &values, 0)
		distortion += d
		rate += w.costs.block(chroma, int(top[t]+left[l]), &values, 0, last)
		top[t] = coded(last, 0)
		left[l] = top[t]
	}
	return score(distortion, rate, w.seg.chromaLambda)
}
