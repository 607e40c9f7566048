package jpeg

import (
	"math/bits"
	"sync"
)

// token is one code and its value bits: class of table<<30 | symbol<<16 | value. The symbol tells the size of the value.
type token uint32

// Tokens are kept in pages, so that what a picture takes of them grows without
// being copied. A block has blockTokens at most.
const (
	pageTokens  = 1 << 15
	blockTokens = 1 + 63 + 1
)

type tokenPage struct {
	n  int
	of [pageTokens]token
}

// tokenPages keeps pages for the next picture.
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

// note does what code does, but keeps tokens and counts symbols.
func (e *encoder) note(levels *[64]int32, mask uint64, difference int32, class int) {
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

// replay writes the tokens with the codes made for them, and gives their pages back.
func (e *encoder) replay() {
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

// optimise makes the tables for what was counted.
func (e *encoder) optimise(components int) (tables [4]codeTable) {
	e.codes = new([4][256]code)
	for i := range min(components+1, 4) {
		tables[i] = optimal(&e.counts[i])
		e.codes[i] = tables[i].assign()
	}
	return tables
}

// optimal makes the Huffman table of the fewest bits, no code longer than sixteen (T.81 K.2). One more
// symbol takes part, so that no code of the result is all ones.
func optimal(counts *[256]uint32) codeTable {
	const spare = 256
	var weight [257]uint64
	var length [257]int
	var chain [257]int // next symbol of the same subtree, -1 at its end
	for s := range chain {
		chain[s] = -1
		if s < spare {
			weight[s] = uint64(counts[s])
		}
	}
	weight[spare] = 1
	for {
		a, b := lightest(&weight)
		if b < 0 {
			break
		}
		weight[a] += weight[b]
		weight[b] = 0
		end := a
		for length[end]++; chain[end] >= 0; length[end]++ {
			end = chain[end]
		}
		chain[end] = b
		for s := b; s >= 0; s = chain[s] {
			length[s]++
		}
	}
	return limited(&length)
}

// lightest finds the symbols of the two least weights that are not zero, the later one where they are equal; b
// is -1 where only one is left.
func lightest(weight *[257]uint64) (a, b int) {
	a, b = -1, -1
	for s, w := range weight {
		switch {
		case w == 0:
		case a < 0 || w <= weight[a]:
			a, b = s, a
		case b < 0 || w <= weight[b]:
			b = s
		}
	}
	return a, b
}

// limited turns code lengths into a table, moving codes of more than sixteen bits up the tree (figure K.3).
func limited(length *[257]int) codeTable {
	var count [258]int
	for _, n := range length {
		count[n]++
	}
	for n := len(count) - 1; n > maxCode; n-- {
		for count[n] > 0 {
			shorter := n - 2
			for count[shorter] == 0 {
				shorter--
			}
			count[n] -= 2
			count[n-1]++
			count[shorter+1] += 2
			count[shorter]--
		}
	}
	longest := maxCode
	for count[longest] == 0 {
		longest--
	}
	count[longest]-- // the spare symbol
	var t codeTable
	for n := 1; n <= maxCode; n++ {
		t.counts[n-1] = uint8(count[n])
	}
	for n := 1; n <= 257; n++ {
		for s := range 256 {
			if length[s] == n {
				t.symbols = append(t.symbols, uint8(s))
			}
		}
	}
	return t
}
