package imaging

import (
	"fmt"
	"slices"
	"strings"
)

// recipeVersion grows when the same source begins to give other files: with each
// change of how a quality is chosen, or of what writes the files.
const recipeVersion = 1

// Recipe names how the variants of an image are made by this build: a version that
// stands for formats and encoders, the likeness that sets the quality, and the
// sizes, with those that are made as WebP too. The same recipe makes the same files
// of the same source; what was made by another one is stale. Nobody has to
// understand the text: it is compared.
func Recipe(likeness float64, webp []string) string {
	base, added := firstRecipe(likeness), webpRecipe(webp)
	if added == "" {
		return base
	}
	return base + recipeJoint + added
}

// recipeJoint stands between what the first pass makes and what the second adds.
const recipeJoint = " + "

// firstRecipe names how the first pass makes what an image needs to be ready.
func firstRecipe(likeness float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d like:%g", recipeVersion, likeness)
	for _, size := range Sizes {
		fmt.Fprintf(&b, " %s:%d", size.Name, size.Side)
	}
	fmt.Fprintf(&b, " %s:%d", SquareName, SquareSide)
	return b.String()
}

// webpRecipe names how WebP variants are made; it is empty where there are none.
func webpRecipe(sizes []string) string {
	var names []string
	for _, size := range Sizes { // in one order, however they were given
		if slices.Contains(sizes, size.Name) {
			names = append(names, size.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "webp " + strings.Join(names, " ")
}

// staleness is how much of an image's variants has to be made anew.
type staleness int

const (
	current  staleness = iota
	webpOnly           // the first pass's are as they should be
	entirely
)

// stale compares the recipe that variants were made by with the one that holds.
func stale(made, holds string) staleness {
	madeBase, _, _ := strings.Cut(made, recipeJoint)
	base, _, _ := strings.Cut(holds, recipeJoint)
	switch {
	case made == holds:
		return current
	case madeBase == base:
		return webpOnly
	}
	return entirely
}
