package imaging_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/failures.md lists every code that an image can fail with.
func TestFailuresPageListsEveryCode(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("imaging.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/failures.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 10 {
		t.Fatalf("only %d codes found", len(codes))
	}
	for _, code := range codes {
		if !strings.Contains(string(page), "\n| `"+code[1]+"` |") {
			t.Errorf("docs/failures.md does not list %s", code[1])
		}
	}
}
