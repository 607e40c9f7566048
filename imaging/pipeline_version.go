package imaging

import (
	"fmt"
	"slices"
	"strings"
)

// pipelineNumber grows when the same source begins to produce other files: with each
// change of how a quality is chosen, or of what writes the files.
const pipelineNumber = 1

// PipelineVersion returns what decides that a variant is outdated: a number that stands
// for formats and encoders, the SSIM target, and the sizes, including those that are
// made as WebP too. The same version makes the same files of the same source. The text
// is only compared, never parsed by others.
func PipelineVersion(likeness float64, webp []string) string {
	base, added := BaseVersion(likeness), WebPVersion(webp)
	if added == "" {
		return base
	}
	return base + versionJoint + added
}

// versionJoint separates what the first processing makes from the WebP variants that
// reprocessing adds.
const versionJoint = " + "

// BaseVersion returns the version of the variants that an image needs to be ready.
func BaseVersion(likeness float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d like:%g", pipelineNumber, likeness)
	for _, size := range Sizes {
		fmt.Fprintf(&b, " %s:%d", size.Name, size.Side)
	}
	fmt.Fprintf(&b, " %s:%d", SquareName, SquareSide)
	return b.String()
}

// WebPVersion returns the version of the WebP variants; it is empty if there are none.
func WebPVersion(sizes []string) string {
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

// Staleness is how much of an image's variants has to be made anew.
type Staleness int

// The values of a Staleness.
const (
	UpToDate     Staleness = iota // no variant is outdated
	OutdatedWebP                  // only the WebP variants are outdated
	Outdated                      // every variant is outdated
)

// StalenessOf compares the pipeline version that made the variants with the present one.
func StalenessOf(made, holds string) Staleness {
	madeBase, _, _ := strings.Cut(made, versionJoint)
	base, _, _ := strings.Cut(holds, versionJoint)
	switch {
	case made == holds:
		return UpToDate
	case madeBase == base:
		return OutdatedWebP
	}
	return Outdated
}
