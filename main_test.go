package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows lists what each package of the service may import of the project.
// docs/architecture.md says what each package is for.
var arrows = map[string][]string{
	"product":             {"imaging"},
	"product/postgres":    {"product"},
	"product/outbox":      {"product", "product/postgres", "imaging"},
	"product/event":       {"product", "product/postgres"},
	"product/upload":      {"product", "product/postgres", "imaging"},
	"product/account":     {"product", "product/postgres", "product/outbox"},
	"product/catalogue":   {"product", "product/postgres", "product/outbox", "product/event", "product/upload", "imaging"},
	"product/deadletter":  {"product", "product/postgres", "product/catalogue", "imaging"},
	"product/job":         {"product", "product/postgres", "product/outbox", "product/catalogue", "product/deadletter", "imaging"},
	"product/maintenance": {"product", "product/postgres", "product/outbox", "product/event", "product/upload", "product/catalogue", "product/job", "product/deadletter", "imaging"},
	"product/web": {
		"product", "product/postgres", "product/event", "product/upload", "product/account", "product/catalogue", "product/job", "product/deadletter",
		"product/web/access", "product/web/admission", "product/web/body", "product/web/contract", "product/web/header", "product/web/health",
		"product/web/problem", "product/web/query", "product/web/stream", "imaging",
	},
	"product/web/access":    {"product", "product/account", "product/web/header", "product/web/problem"},
	"product/web/admission": {"product/postgres", "product/web/header", "product/web/problem"},
	"product/web/body":      {"product", "product/upload", "product/account", "product/deadletter", "product/web/problem"},
	"product/web/contract":  {"product/web/problem"},
	"product/web/header":    {"product/web/problem"},
	"product/web/health":    {},
	"product/web/problem":   {"product"},
	"product/web/query":     {"product", "product/deadletter", "product/web/body", "product/web/problem"},
	"product/web/stream":    {"product", "product/event"},

	"imaging":                {},
	"imaging/fetch":          {"imaging"},
	"imaging/process":        {"imaging", "imaging/process/colour", "imaging/process/memory", "imaging/jpeg", "imaging/jpeg/jpegenc", "imaging/webp", "imaging/resize", "imaging/icc", "imaging/ssim", "imaging/thumbhash"},
	"imaging/process/colour": {"imaging/icc", "imaging/jpeg", "imaging/resize"},
	"imaging/process/memory": {},
	"imaging/worker":         {"imaging", "imaging/fetch", "imaging/process"},
	"imaging/jpeg":           {"imaging/jpeg/dct"},
	"imaging/jpeg/dct":       {},
	"imaging/jpeg/jpegenc":   {"imaging/jpeg/dct", "imaging/ssim"},
	"imaging/webp":           {},
	"imaging/resize":         {},
	"imaging/icc":            {},
	"imaging/ssim":           {},
	"imaging/thumbhash":      {},

	"queue": {}, "cache": {}, "storage": {}, "config": {},
}

// tools are the packages that no part of the service imports: they may import what they use.
func tools(dir string) bool {
	return dir == "." || strings.HasPrefix(dir, "bench") || strings.HasPrefix(dir, "deploy") ||
		strings.HasPrefix(dir, "imaging/imagingtest") || dir == "imaging/jpeg/jpegtest"
}

// The size of a package that fits in one head, without its tests.
const (
	maxFiles = 30
	maxLines = 2500
)

// sources is the files of one package that are no tests.
type sources struct {
	files, lines int
	documented   bool
	imports      map[string]bool
}

// TestLayout holds the arrows between the packages, their sizes, and that each says
// what it is for.
func TestLayout(t *testing.T) {
	t.Parallel()
	for dir, p := range packages(t) {
		if !p.documented {
			t.Errorf("%s has no package comment", dir)
		}
		if p.files > maxFiles || p.lines > maxLines {
			t.Errorf("%s has %d files and %d lines; at most %d and %d fit in one head", dir, p.files, p.lines, maxFiles, maxLines)
		}
		if tools(dir) {
			continue
		}
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("%s is not in the table of packages", dir)
		}
		for _, imported := range slices.Sorted(maps.Keys(p.imports)) {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s must not import %s", dir, imported)
			}
		}
	}
}

// packages reads every package of the module.
func packages(t *testing.T) map[string]*sources {
	t.Helper()
	found := map[string]*sources{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if found[dir] == nil {
			found[dir] = &sources{imports: map[string]bool{}}
		}
		return found[dir].add(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < len(arrows) {
		t.Fatalf("only %d packages were found", len(found))
	}
	return found
}

// add reads one file.
func (s *sources) add(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	s.files++
	s.lines += bytes.Count(content, []byte("\n"))
	s.documented = s.documented || file.Doc != nil
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if dir, ours := strings.CutPrefix(name, "vitrine/"); ours {
			s.imports[dir] = true
		}
	}
	return nil
}
