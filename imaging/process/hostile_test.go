package process_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest/hostile"
	"vitrine/imaging/process"
)

// modest are the limits for hostile pictures, small so that each test is quick.
var modest = process.Config{
	Limits: process.Limits{MaxPixels: 1 << 16, MaxSide: 1 << 13}, DecodeTimeout: 2 * time.Second, MemoryBudget: 64 << 20,
}

// permanent lists the codes for pictures that are themselves at fault.
var permanent = []imaging.Code{
	imaging.CodeUnsupportedFormat, imaging.CodeCorruptImage, imaging.CodeImageTooLarge, imaging.CodeDecodeTimeout,
}

// plainWords matches a detail that a person can read.
var plainWords = regexp.MustCompile(`^(the|a) [a-zA-Z0-9 ,;/.()-]{12,160}$`)

// survive processes any bytes and returns hostile.Ready or the code of the failure. It fails
// the test for a panic, even one that the Processor recovers from, for a failure that is not
// permanent or has no readable detail, and for a result that is out of bounds or contains
// anything but the picture.
func survive(t *testing.T, p *process.Processor, limits process.Limits, name string, src []byte) string {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("%s: panic: %v\n%s", name, v, debug.Stack())
		}
	}()
	got, err := p.Process(context.WithoutCancel(t.Context()), src, process.Options{})
	if err != nil {
		var known *imaging.Error
		switch {
		case !errors.As(err, &known) || known.Transient || known.Stage != imaging.StageDecode || !slices.Contains(permanent, known.Code):
			t.Errorf("%s: error is %#v", name, err)
			return ""
		case !plainWords.MatchString(known.Detail):
			t.Errorf("%s: the detail is %q", name, known.Detail)
		case known.Err != nil && strings.Contains(known.Err.Error(), "panicked"):
			t.Errorf("%s: %v", name, known.Err)
		}
		return string(known.Code)
	}
	defer got.Release()
	checkSane(t, limits, name, got)
	return hostile.Ready
}

var colourPattern = regexp.MustCompile(`^(#[0-9a-f]{6})?$`)

// checkSane checks the result for an unknown picture.
func checkSane(t *testing.T, limits process.Limits, name string, got *process.Processed) {
	t.Helper()
	if got.Width < 1 || got.Height < 1 || max(got.Width, got.Height) > limits.MaxSide ||
		int64(got.Width)*int64(got.Height) > limits.MaxPixels {
		t.Errorf("%s: %d x %d pixels are beyond the limits", name, got.Width, got.Height)
	}
	if len(got.Renditions) != len(imaging.Sizes)+1 { // and the square
		t.Fatalf("%s: %d renditions", name, len(got.Renditions))
	}
	if hash, err := base64.StdEncoding.DecodeString(got.Placeholder); err != nil || len(hash) < 5 || len(hash) > 30 {
		t.Errorf("%s: placeholder is %q", name, got.Placeholder)
	}
	if !colourPattern.MatchString(got.AverageColor) {
		t.Errorf("%s: average colour is %q", name, got.AverageColor)
	}
	sizes := append(imaging.Sizes[:len(imaging.Sizes):len(imaging.Sizes)], imaging.Size{Name: "square", Side: imaging.SquareSide})
	for i, r := range got.Renditions {
		if r.Width > got.Width || r.Height > got.Height || max(r.Width, r.Height) > sizes[i].Side || r.Name != sizes[i].Name {
			t.Errorf("%s: %s has %d x %d pixels of %d x %d", name, r.Name, r.Width, r.Height, got.Width, got.Height)
		}
		if i > 0 && r.Object == got.Renditions[i-1].Object {
			continue
		}
		open(t, r)
		checkBare(t, name, r)
		if hostile.Holds(r.Body) {
			t.Errorf("%s: %s contains metadata of the source", name, r.Object)
		}
	}
}

// judge compares the result for a file with the expected one.
func judge(t *testing.T, p *process.Processor, limits process.Limits, f hostile.File) {
	t.Helper()
	if got := survive(t, p, limits, f.Name, f.Body); f.Want != "" && got != f.Want {
		t.Errorf("%s: %q, want %q", f.Name, got, f.Want)
	}
}

// Every damage to a picture leads to a result or to a proper failure.
func TestHostilePictures(t *testing.T) {
	t.Parallel()
	p := process.New(modest)
	sources := hostile.Sources()
	for _, format := range hostile.Formats {
		for i, f := range sources[format] {
			t.Run(fmt.Sprintf("%s %s", format, f.Name), func(t *testing.T) {
				t.Parallel()
				judge(t, p, modest.Limits, f)
				f.Body = hostile.Marked(format, f.Body)
				judge(t, p, modest.Limits, f)
				for part := range hostile.Truncated(f) {
					got := survive(t, p, modest.Limits, part.Name, part.Body)
					if len(part.Body) > 12 && got != string(imaging.CodeCorruptImage) && format != "gif" { // whose first frame may be complete
						t.Errorf("%s: %q", part.Name, got)
					}
				}
				spoilt := []iter.Seq[hostile.File]{hostile.Flipped(f, 80, uint64(i))}
				if i < 2 {
					spoilt = append(spoilt, hostile.Lying(format, sources[format][i]))
				}
				for _, list := range spoilt {
					for s := range list {
						judge(t, p, modest.Limits, s)
						if format == "png" {
							hostile.Repair(s.Body)
							judge(t, p, modest.Limits, s)
						}
					}
				}
			})
		}
	}
}

// usual are the default limits.
var usual = process.Limits{MaxPixels: 40_000_000, MaxSide: 12_000}

func TestLyingHeaders(t *testing.T) {
	t.Parallel()
	p := process.New(process.Config{})
	for _, f := range hostile.Lies() {
		judge(t, p, usual, f)
	}
}

// A file that is valid in two formats becomes a picture without the other contents.
func TestPolyglots(t *testing.T) {
	t.Parallel()
	p := process.New(process.Config{})
	for _, f := range hostile.Polyglots() {
		if judge(t, p, usual, f); f.Want != hostile.Ready {
			continue
		}
		for _, r := range mustProcess(t, f.Body).Renditions {
			for _, text := range hostile.Foreign {
				if bytes.Contains(r.Body, text) {
					t.Errorf("%s: %s contains %q", f.Name, r.Object, text)
				}
			}
		}
	}
}

func TestFalseEXIF(t *testing.T) {
	t.Parallel()
	p := process.New(process.Config{})
	for _, block := range hostile.EXIF() {
		if got := process.EXIFOrientation(block.Body); got != 1 {
			t.Errorf("%s is read as orientation %d", block.Name, got)
		}
		for format, src := range hostile.WithEXIF(block.Body) {
			name := format + " with a " + block.Name
			if got := survive(t, p, usual, name, src); got != hostile.Ready {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// A bomb of the largest download ends within the time for decoding and for making the
// variants. All of them at once stay within the memory for all pictures.
func TestBombsAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	for f := range hostile.Bombs(bodyLimit) {
		if len(f.Body) > bodyLimit {
			t.Errorf("%s: %d bytes", f.Name, len(f.Body))
		}
		files = append(files, write(t, dir, f.Name, f.Body))
		var got cost
		child(t, "cost", &got, files[len(files)-1])
		became := cmp.Or(string(got.Code), hostile.Ready)
		if became != f.Want {
			t.Errorf("%s: %s, want %s", f.Name, became, f.Want)
		}
		if got.CPU > 6*time.Second {
			t.Errorf("%s: %v of CPU time", f.Name, got.CPU)
		}
		if got.Peak > loadBudget {
			t.Errorf("%s: %d MB of memory", f.Name, got.Peak/1e6)
		}
		t.Logf("%s: %d bytes, %v of CPU time, %d MB, %s", f.Name, len(f.Body), got.CPU.Round(time.Millisecond), got.Peak/1e6, became)
	}
	var all load
	child(t, "load", &all, append(files, files...)...)
	if all.Peak > loadBudget+150_000_000 {
		t.Errorf("all at once: %d MB of memory", all.Peak/1e6)
	}
	t.Logf("all at once: %d MB of memory", all.Peak/1e6)
}
