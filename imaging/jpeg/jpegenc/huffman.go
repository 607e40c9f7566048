package jpegenc

// maxCode is the length in bits of the longest Huffman code.
const maxCode = 16

// codeTable is a Huffman table as stored in a DHT segment: the number of codes of each length, and their symbols in
// order.
type codeTable struct {
	counts  [maxCode]uint8
	symbols []byte
}

// code is a Huffman code: its bits above its length in the low byte.
type code uint32

// assign returns the code of each symbol (T.81 C.2).
func (t *codeTable) assign() (codes [256]code) {
	bits, k := uint32(0), 0
	for n, count := range t.counts {
		for range count {
			codes[t.symbols[k]] = code(bits<<8 | uint32(n+1))
			bits++
			k++
		}
		bits <<= 1
	}
	return codes
}

// optimal returns the Huffman table that takes the fewest bits with codes of up to sixteen bits (T.81 K.2). It reserves
// one code for an extra symbol, so that no code consists of ones only.
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

// lightest returns the symbols of the two smallest non-zero weights, the later symbol first if they are equal. b is -1
// if only one is left.
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

// limited returns the table for the given code lengths. It shortens codes of more than sixteen bits (T.81 figure K.3).
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
