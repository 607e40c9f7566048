package imaging

import (
	"fmt"
	"slices"
	"strings"
)

// pipelineNumber is incremented when the pipeline begins to make other files from the same
// source, because a quality is chosen differently or an encoder has changed.
const pipelineNumber = 1

// PipelineVersion returns the version that decides whether a variant is outdated. It has a
// number for formats and encoders, the SSIM target, and the sizes, including those that are
// made in WebP too. The same version makes the same files from the same source. Other
// packages compare the text and never parse it.
func PipelineVersion(ssimTarget float64, webp []string) string {
	base, added := BaseVersion(ssimTarget), WebPVersion(webp)
	if added == "" {
		return base
	}
	return base + versionSeparator + added
}

// versionSeparator separates the version of what the first processing makes from that of the
// WebP variants that reprocessing adds.
const versionSeparator = " + "

// BaseVersion returns the version of the variants that an image needs to be ready.
func BaseVersion(ssimTarget float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ssim:%g", pipelineNumber, ssimTarget)
	for _, size := range Sizes {
		fmt.Fprintf(&b, " %s:%d", size.Name, size.Side)
	}
	fmt.Fprintf(&b, " %s:%d", SquareName, SquareSide)
	return b.String()
}

// WebPVersion returns the version of the WebP variants; it is empty if there are none.
func WebPVersion(sizes []string) string {
	var names []string
	for _, size := range Sizes { // in the order of Sizes, whatever the order of sizes
		if slices.Contains(sizes, size.Name) {
			names = append(names, size.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "webp " + strings.Join(names, " ")
}

// Staleness is which variants of an image are outdated.
type Staleness int

// The values of a Staleness.
const (
	UpToDate     Staleness = iota // no variant is outdated
	OutdatedWebP                  // only the WebP variants are outdated
	Outdated                      // every variant is outdated
)

// CompareVersions returns which variants of an image are outdated. made is the pipeline version
// that made them, and current is the one in use.
func CompareVersions(made, current string) Staleness {
	madeBase, _, _ := strings.Cut(made, versionSeparator)
	base, _, _ := strings.Cut(current, versionSeparator)
	switch {
	case made == current:
		return UpToDate
	case madeBase == base:
		return OutdatedWebP
	}
	return Outdated
}
