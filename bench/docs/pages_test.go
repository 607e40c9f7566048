package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vitrine/product/web/contract"
)

var (
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fencedCode  = regexp.MustCompile("(?s)```.*?```")
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks checks that the links between the Markdown pages lead to files and
// headings that exist.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	for page, text := range pages {
		for _, link := range pageLink.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", page, link[1], err)
			} else if anchor != "" && !slices.Contains(anchors(pages[file]), anchor) {
				t.Errorf("%s: %s: the page has no such heading", page, link[1])
			}
		}
	}
}

// TestPagesAreLinked checks that the README leads to every page.
func TestPagesAreLinked(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	readme := pages["../../README.md"]
	for page := range maps.Keys(pages) {
		if link := strings.TrimPrefix(page, "../../"); link != "README.md" && !strings.Contains(readme, "("+link+")") {
			t.Errorf("README.md has no link to %s", link)
		}
	}
}

// TestRoutesAreListed checks that docs/api.md has every path of the OpenAPI document.
func TestRoutesAreListed(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(contract.Load().JSON(), &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Paths) < 10 {
		t.Fatalf("the document has %d paths", len(document.Paths))
	}
	page := readPages(t)["../../docs/api.md"]
	for path := range document.Paths {
		if !strings.Contains(page, path+"`") {
			t.Errorf("docs/api.md does not list %s", path)
		}
	}
}

// readPages returns the Markdown pages of the repository without their code blocks.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	top, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, page := range append(top, docs...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		pages[page] = fencedCode.ReplaceAllString(string(text), "")
	}
	if len(pages) < 10 {
		t.Fatalf("found %d pages", len(pages))
	}
	return pages
}

// anchors returns the anchors of a page's headings, as GitHub derives them.
func anchors(text string) (all []string) {
	for _, heading := range pageHeading.FindAllStringSubmatch(text, -1) {
		anchor := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}
