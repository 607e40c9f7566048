package jpegenc

import "encoding/hex"

// The example tables of T.81 annex K, which most encoders use unchanged.

// annexKQuant holds the quantisers of K.1 for luma and chroma, in zigzag order.
var annexKQuant = [2][64]uint8{
	{
		16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
		26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
		56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
		95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
	},
	{
		17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
	},
}

// Classes of Huffman tables: two for luma, two for chroma.
const (
	lumaDC = iota
	lumaAC
	chromaDC
	chromaAC
)

// annexKCodes holds the tables of K.3. The symbols of the 16-bit AC codes are in ascending order, so acSymbols
// computes them.
var annexKCodes = [4]codeTable{
	lumaDC: {[maxCode]uint8{0, 1, 5, 1, 1, 1, 1, 1, 1}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	lumaAC: {
		[maxCode]uint8{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
		acSymbols("010203000411051221314106135161072271143281" + "91a1082342b1c11552d1f02433627282"),
	},
	chromaDC: {[maxCode]uint8{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	chromaAC: {
		[maxCode]uint8{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
		acSymbols("00010203110405213106124151076171132232810814" + "4291a1b1c109233352f0156272d10a162434e125f1"),
	},
}

// acSymbols returns the AC symbols of a hexadecimal list, followed by all other runs and sizes of a baseline file.
func acSymbols(frequent string) []byte {
	list, err := hex.DecodeString(frequent)
	if err != nil {
		panic(err) // a constant of this file
	}
	var have [256]bool
	for _, s := range list {
		have[s] = true
	}
	for run := range 16 {
		for size := 1; size <= 10; size++ {
			if s := uint8(run<<4 | size); !have[s] {
				list = append(list, s)
			}
		}
	}
	return list
}

// annexKAssigned holds the codes of annexKCodes.
var annexKAssigned = func() (all [4][256]code) {
	for i := range all {
		all[i] = annexKCodes[i].assign()
	}
	return all
}()

// quantisers returns the tables of annex K scaled to a quality of 1 to 100, as libjpeg scales them.
func quantisers(quality int) (q [2][64]uint8) {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for i := range q {
		for k := range q[i] {
			q[i][k] = uint8(min(max((int(annexKQuant[i][k])*percent+50)/100, 1), 255))
		}
	}
	return q
}
