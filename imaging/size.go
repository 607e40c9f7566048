package imaging

// Size is one of the sizes in which variants are made. The longer side of a variant
// has Side pixels, or fewer if the source has fewer.
type Size struct {
	Name string
	Side int
}

// Sizes lists the sizes of an image's variants, the main one first. If a source is
// too small for a size, the variant shares the object of the previous size.
var Sizes = [...]Size{
	{Name: "main", Side: 1600},
	{Name: "large", Side: 800},
	{Name: "small", Side: 200},
}

// SquareSide is the side of the square crop in pixels. A picture whose shorter side
// is smaller gets a square of that size.
const SquareSide = 200

// SquareName is the name of the square crop.
const SquareName = "square"
