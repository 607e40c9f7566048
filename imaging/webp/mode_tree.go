package webp

// probLarge is the probability that each block of a macroblock has its own mode (RFC 6386, section 11.2).
const probLarge = 145

// walkLarge visits the branches of the tree to a macroblock's luma mode.
func walkLarge(mode int, visit func(bit bool, prob uint8)) {
	visit(mode == modeH || mode == modeTM, 156)
	if mode == modeH || mode == modeTM {
		visit(mode == modeTM, 128)
	} else {
		visit(mode == modeV, 163)
	}
}

// walkChroma visits the branches of the tree to a macroblock's chroma mode.
func walkChroma(mode int, visit func(bit bool, prob uint8)) {
	visit(mode != modeDC, 142)
	if mode == modeDC {
		return
	}
	visit(mode != modeV, 114)
	if mode != modeV {
		visit(mode == modeTM, 183)
	}
}

// walkSmall visits the branches of the tree to a small block's mode.
func walkSmall(mode int, visit func(node int, bit bool)) {
	for node, m := range [...]int{modeDC, modeTM, modeV} {
		visit(node, mode != m)
		if mode == m {
			return
		}
	}
	switch mode {
	case modeH, modeRD, modeVR:
		visit(3, false)
		visit(4, mode != modeH)
		if mode != modeH {
			visit(5, mode == modeVR)
		}
		return
	}
	visit(3, true)
	visit(6, mode != modeLD)
	if mode == modeLD {
		return
	}
	visit(7, mode != modeVL)
	if mode != modeVL {
		visit(8, mode == modeHU)
	}
}

// The costs of modes, in 1/256 bits.
var (
	smallCost             = cost(false, probLarge)
	largeCost, chromaCost = func() (large, chroma [modes16]int32) {
		for m := range modes16 {
			large[m] = cost(true, probLarge)
			walkLarge(m, func(bit bool, prob uint8) { large[m] += cost(bit, prob) })
			walkChroma(m, func(bit bool, prob uint8) { chroma[m] += cost(bit, prob) })
		}
		return large, chroma
	}()
	modeCost = func() (t [modes4][modes4][modes4]int32) {
		for a := range t {
			for l := range t[a] {
				for m := range t[a][l] {
					walkSmall(m, func(node int, bit bool) { t[a][l][m] += cost(bit, modeProbs[a][l][node]) })
				}
			}
		}
		return t
	}()
)
