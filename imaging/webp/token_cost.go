package webp

// The kinds of blocks of tokens (RFC 6386, section 13.3).
const (
	lumaAfterDC = iota // luma without first coefficients, which are coded separately
	lumaDC             // the first coefficients
	chroma
	luma
)

// bands is the band by position, with one more position after the last.
var bands = [17]uint8{0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0}

// maxLevel is the largest value that is written. No coefficient needs a larger one.
const maxLevel = 2047

// tokens is the number of tokens for values: 0 to 4, and six categories with extra bits (section 13.2).
const tokens = 11

// categoryBase is the lowest value of each category, and categoryProbs the probabilities of its extra bits.
var (
	categoryBase  = [6]int{5, 7, 11, 19, 35, 67}
	categoryProbs = [6][]uint8{{159}, {165, 145}, {173, 148, 140}, {176, 155, 140, 135}, {180, 157, 141, 134, 130},
		{254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}}
)

// tokenOf and bitsOf are the token of a value and the cost of its extra bits and sign.
var tokenOf, bitsOf = func() (token [maxLevel + 1]uint8, cost256 [maxLevel + 1]int32) {
	for v := 1; v <= maxLevel; v++ {
		token[v], cost256[v] = uint8(min(v, 4)), 256
		for k := range categoryBase {
			if v < categoryBase[k] {
				break
			}
			token[v], cost256[v] = uint8(5+k), 256
			n := len(categoryProbs[k])
			for i, p := range categoryProbs[k] {
				cost256[v] += cost((v-categoryBase[k])>>(n-1-i)&1 != 0, p)
			}
		}
	}
	return token, cost256
}()

// costs holds the costs of tokens for given probabilities, in 1/256 bits.
type costs struct {
	// token includes the bit for a block that continues, unless the context is 0.
	token [4][8][3][tokens]int32
	end   [4][8][3]int32 // of the bit for the end of the block
	goes  [4][8]int32    // of the bit for a block that continues, in context 0
}

// learn computes the costs for the probabilities.
func (c *costs) learn(probs *tokenProbs) {
	for t := range probs {
		for b := range probs[t] {
			for ctx := range probs[t][b] {
				p := &probs[t][b][ctx]
				c.end[t][b][ctx] = cost(false, p[0])
				base := int32(0)
				if ctx == 0 {
					c.goes[t][b] = cost(true, p[0])
				} else {
					base = cost(true, p[0])
				}
				for k := range tokens {
					c.token[t][b][ctx][k] = base + treeCost(p, k)
				}
			}
		}
	}
}

// treeCost returns the cost of a token, given the probabilities of the branches.
func treeCost(p *[11]uint8, token int) (sum int32) {
	walkToken(token, func(node int, bit bool) { sum += cost(bit, p[node]) })
	return sum
}

// walkToken visits the branches of the tree to a token, after the branch for the end of the block.
func walkToken(token int, visit func(node int, bit bool)) {
	visit(1, token > 0)
	if token == 0 {
		return
	}
	visit(2, token > 1)
	if token == 1 {
		return
	}
	visit(3, token > 4)
	if token <= 4 {
		visit(4, token > 2)
		if token > 2 {
			visit(5, token > 3)
		}
		return
	}
	visit(6, token > 6)
	if token <= 6 {
		visit(7, token > 5)
		return
	}
	visit(8, token > 8)
	if token <= 8 {
		visit(9, token > 7)
	} else {
		visit(10, token > 9)
	}
}

// block returns the cost of the values of a block from first to before last, in the order in which they are written. last is
// one past the last non-zero value.
func (c *costs) block(kind, ctx int, levels *[16]int16, first, last int) int32 {
	if last <= first {
		return c.end[kind][bands[first]][ctx]
	}
	sum := int32(0)
	if ctx == 0 {
		sum = c.goes[kind][bands[first]]
	}
	for n := first; n < last; n++ {
		v := int(levels[n])
		v = max(v, -v)
		sum += c.token[kind][bands[n]][ctx][tokenOf[v]] + bitsOf[v]
		ctx = min(v, 2)
	}
	if last < 16 {
		sum += c.end[kind][bands[last]][ctx]
	}
	return sum
}
