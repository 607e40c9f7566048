package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vitrine/imaging"
)

// result is what a way took for a picture.
type result struct {
	Way   string
	CPU   []time.Duration // of each run, in the order of their size
	Peak  int64           // resident bytes, of a process that did it once
	Files []string        // the largest first
}

func (r result) median() time.Duration { return r.CPU[len(r.CPU)/2] }

// way makes the three files of a picture in a folder and returns the CPU time.
type way func(ctx context.Context, src, folder string) (time.Duration, error)

// work is the main function of a child process: one run more than it measures.
func work(ctx context.Context, name, src, folder string, runs int) error {
	r := result{Way: name}
	do := map[string]way{
		"vitrine": vitrine(quality), "as shipped": vitrine(0), "with WebP": vitrine(0, "main", "large", "small"), "x/image": ximage,
	}[name]
	if name == "libvips" {
		do = func(ctx context.Context, src, folder string) (time.Duration, error) {
			cpu, peak, err := libvips(ctx, src, folder)
			r.Peak = max(r.Peak, peak)
			return cpu, err
		}
	}
	if do == nil {
		return fmt.Errorf("no way is named %s", name)
	}
	for i := range runs + 1 {
		cpu, err := do(ctx, src, folder)
		if err != nil {
			return err
		}
		if i == 0 && r.Peak == 0 {
			r.Peak = peakMemory()
		}
		if i > 0 {
			r.CPU = append(r.CPU, cpu)
		}
	}
	slices.Sort(r.CPU)
	for _, size := range imaging.Sizes {
		r.Files = append(r.Files, filepath.Join(folder, size.Name+".jpg"))
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// child runs a way in a process of its own. A picture that the way refuses gives
// a *refusal.
func (b *bench) child(ctx context.Context, name, src string) (result, error) {
	folder, err := os.MkdirTemp(b.temp, "out")
	if err != nil {
		return result{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-worker", name, "-n", fmt.Sprint(b.runs), src, folder)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "VIPS_CONCURRENCY=1")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return result{}, &refusal{string(exit.Stderr)}
	}
	if err != nil {
		return result{}, err
	}
	var r result
	return r, json.Unmarshal(out, &r)
}

type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// spent is the CPU time that this process has taken so far.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakMemory is the most that this process had resident (proc(5), VmHWM), in
// bytes; 0 where that is not to be had.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
