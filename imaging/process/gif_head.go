package process

// Blocks of a GIF (CompuServe's GIF89a specification, sections 18 to 27).
const (
	gifExtension = 0x21
	gifFrame     = 0x2c
)

// gifAnimated reports whether a GIF has a second frame. It reads only the lengths of
// blocks, and stops at that frame.
func gifAnimated(src []byte) bool {
	const head = 6 + 7
	if len(src) < head {
		return false
	}
	rest := skip(src[head:], colourTable(src[10]))
	for frames := 0; len(rest) > 0; {
		switch rest[0] {
		case gifExtension:
			rest = skipBlocks(skip(rest, 2))
		case gifFrame:
			if frames++; frames == 2 {
				return true
			}
			if len(rest) < 10 {
				return false
			}
			rest = skipBlocks(skip(rest, 10+colourTable(rest[9])+1)) // 1 for the code size
		default: // the end, or damage
			return false
		}
	}
	return false
}

// colourTable returns the size in bytes of the colour table that the flags announce.
func colourTable(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// skip returns b without its first n bytes.
func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// skipBlocks skips sub-blocks and the empty block that ends them.
func skipBlocks(b []byte) []byte {
	for len(b) > 0 && b[0] != 0 {
		b = skip(b, 1+int(b[0]))
	}
	return skip(b, 1)
}
