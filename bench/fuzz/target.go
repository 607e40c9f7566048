package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is one fuzz function.
type target struct{ pkg, name string }

func (t target) String() string {
	_, inside, _ := strings.Cut(t.pkg, "/")
	return inside + "." + t.name
}

// list returns the targets of all packages.
func list(ctx context.Context, o options) ([]target, error) {
	args := append([]string{"test", "-json", "-list", "^Fuzz"}, o.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list targets: %w\n%s", err, out)
	}
	var targets []target
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		var event struct{ Action, Package, Output string }
		if err := lines.Decode(&event); errors.Is(err, io.EOF) {
			return targets, nil
		} else if err != nil {
			return nil, fmt.Errorf("list targets: %w", err)
		}
		t := target{event.Package, strings.TrimSpace(event.Output)}
		if event.Action == "output" && strings.HasPrefix(t.name, "Fuzz") && o.target.MatchString(t.String()) {
			targets = append(targets, t)
		}
	}
}

// result is the result of a target's run.
type result struct {
	target
	took                time.Duration
	inputs, fresh, kept int // run; that reached new code in this run, and in all runs
	found               bool
	output              string // of the go command
}

// String returns one line, followed by the output after a finding.
func (r result) String() string {
	line := fmt.Sprintf("%-37s %8s  %9d inputs  %5d new  %5d kept", r.target, r.took.Round(time.Second), r.inputs, r.fresh, r.kept)
	if !r.found {
		return line
	}
	return line + "\n" + r.output
}

// grace is the additional time that a run may take, for building and for minimizing a
// failing input.
const grace = 5 * time.Minute

// minimize bounds the minimization of each input that reaches new code, which could
// otherwise take most of a run.
const minimize = "300x"

// fuzz runs a target. A run that takes much longer than its time is ended and counts as
// a finding.
func (t target) fuzz(ctx context.Context, o options) result {
	ctx, cancel := context.WithTimeout(ctx, o.time+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", o.time.String(),
		"-fuzzminimizetime", minimize, "-parallel", strconv.Itoa(o.parallel), t.pkg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // includes the test's process
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	out, err := cmd.CombinedOutput()
	r := result{target: t, took: time.Since(began), found: err != nil, output: string(out)}
	r.inputs, r.fresh, r.kept = progress(out)
	return r
}

var progressLine = regexp.MustCompile(`execs: (\d+) .*new interesting: (\d+) \(total: (\d+)\)`)

// progress returns the numbers of the last progress line in the output.
func progress(out []byte) (inputs, fresh, kept int) {
	lines := progressLine.FindAllSubmatch(out, -1)
	if len(lines) == 0 {
		return 0, 0, 0
	}
	var n [3]int
	for i, digits := range lines[len(lines)-1][1:] {
		n[i], _ = strconv.Atoi(string(digits))
	}
	return n[0], n[1], n[2]
}
