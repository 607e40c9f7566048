package explore

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
)

// matching returns a text that the pattern matches, with at most most repetitions.
func (w *worker) matching(pattern string, most int) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(fmt.Sprintf("pattern %q: %v", pattern, err)) // the document's schemas were compiled before
	}
	var b strings.Builder
	w.write(&b, re, most)
	return b.String()
}

func (w *worker) write(b *strings.Builder, re *syntax.Regexp, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(w.character(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(rune('a' + w.rnd.IntN(26)))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			w.write(b, sub, most)
		}
	case syntax.OpAlternate:
		w.write(b, pick(w, re.Sub...), most)
	case syntax.OpQuest:
		w.repeat(b, re.Sub[0], 0, 1, most)
	case syntax.OpStar:
		w.repeat(b, re.Sub[0], 0, most, most)
	case syntax.OpPlus:
		w.repeat(b, re.Sub[0], 1, most, most)
	case syntax.OpRepeat:
		limit := re.Max
		if limit < 0 {
			limit = re.Min + most
		}
		w.repeat(b, re.Sub[0], re.Min, limit, most)
	}
}

func (w *worker) repeat(b *strings.Builder, re *syntax.Regexp, least, limit, most int) {
	n := least + w.rnd.IntN(max(1, min(limit-least, 6)+1))
	if most > 24 {
		n = least + w.rnd.IntN(max(1, limit-least+1))
	}
	for range n {
		w.write(b, re, most)
	}
}

// character returns one of a class, usually from ASCII.
func (w *worker) character(class []rune) rune {
	for range 20 {
		i := 2 * w.rnd.IntN(len(class)/2)
		low, high := class[i], class[i+1]
		if w.rnd.IntN(4) > 0 {
			low, high = max(low, ' '), min(high, '~')
		}
		if low > high {
			continue
		}
		c := low + w.rnd.Int32N(high-low+1)
		if c < 0x80 || unicode.IsPrint(c) {
			return c
		}
	}
	return class[0]
}
