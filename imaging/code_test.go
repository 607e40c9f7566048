package imaging_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README lists every failure code.
func TestReadmeListsEveryCode(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("imaging.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 10 {
		t.Fatalf("only %d codes found", len(codes))
	}
	for _, code := range codes {
		if !strings.Contains(string(readme), "\n| `"+code[1]+"` |") {
			t.Errorf("README.md does not list %s", code[1])
		}
	}
}
