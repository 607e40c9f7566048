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

// result is the result of a method for a picture.
type result struct {
	Method string
	CPU    []time.Duration // of each run, sorted
	Peak   int64           // resident bytes of a process after one run
	Files  []string        // the largest first
}

func (r result) median() time.Duration { return r.CPU[len(r.CPU)/2] }

// method makes the three files of a picture in a folder and returns the CPU time.
type method func(ctx context.Context, src, folder string) (time.Duration, error)

// work is the main function of a child process. It does one run to warm up, then runs
// measured ones, and prints the result as JSON.
func work(ctx context.Context, name, src, folder string, runs int) error {
	r := result{Method: name}
	do := map[string]method{
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
		return fmt.Errorf("-worker: unknown method %q", name)
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

// child runs a method in a separate process. It returns a *refusal if the method refuses
// the picture.
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

// refusal is the error of a method for a picture.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// spent returns the CPU time that this process has used so far.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakMemory returns the peak resident memory of this process in bytes (VmHWM of
// proc(5)), or 0 if it is not known.
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
