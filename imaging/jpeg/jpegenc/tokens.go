package jpegenc

import (
	"math/bits"
	"sync"
)

// token is a code and its value bits: class of table<<30 | symbol<<16 | value. The symbol determines the size of the value.
type token uint32

// Tokens are kept in pages, so that adding tokens never copies earlier ones. A block has at most blockTokens tokens.
const (
	pageTokens  = 1 << 15
	blockTokens = 1 + 63 + 1
)

type tokenPage struct {
	n  int
	of [pageTokens]token
}

// tokenPages recycles pages between pictures.
var tokenPages = sync.Pool{New: func() any { return new(tokenPage) }}

// page returns the page for the tokens of the next block.
func (e *encoder) page() *tokenPage {
	if k := len(e.pages) - 1; k >= 0 && e.pages[k].n <= pageTokens-blockTokens {
		return e.pages[k]
	}
	p := tokenPages.Get().(*tokenPage)
	p.n = 0
	e.pages = append(e.pages, p)
	return p
}

// addTokens is code for the first pass: it keeps the tokens and counts their symbols instead of writing them.
func (e *encoder) addTokens(levels *[64]int32, mask uint64, difference int32, class int) {
	p := e.page()
	add := func(table int, symbol uint8, value uint32) {
		e.counts[table][symbol]++
		p.of[p.n] = token(uint32(table)<<30 | uint32(symbol)<<16 | value)
		p.n++
	}
	value, size := magnitude(difference)
	add(2*class, uint8(size), value)
	last := 0
	for mask &^= 1; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask)
		run := k - last - 1
		for ; run > 15; run -= 16 {
			add(2*class+1, 0xf0, 0)
		}
		value, size := magnitude(levels[k])
		add(2*class+1, uint8(run)<<4|uint8(size), value)
		last = k
	}
	if last != 63 {
		add(2*class+1, 0, 0)
	}
}

// writeTokens writes the tokens with the optimised codes and recycles their pages.
func (e *encoder) writeTokens() {
	for _, p := range e.pages {
		for i, t := range p.of[:p.n] {
			if i%64 == 0 {
				e.out.reserve(1)
			}
			c := e.codes[t>>30][uint8(t>>16)]
			size := uint(t>>16) & 15 // a DC symbol is at most 11
			e.out.put(uint32(c>>8)<<size|uint32(t&0xffff), uint(c&0xff)+size)
		}
		tokenPages.Put(p)
	}
	e.pages = nil
}

// optimise returns the optimal tables for the counted symbols and selects their codes.
func (e *encoder) optimise(components int) (tables [4]codeTable) {
	e.codes = new([4][256]code)
	for i := range min(components+1, 4) {
		tables[i] = optimal(&e.counts[i])
		e.codes[i] = tables[i].assign()
	}
	return tables
}
