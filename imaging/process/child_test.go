package process_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vitrine/imaging"
	"vitrine/imaging/process"
)

// Memory and CPU time are measured in a child process, which is this test binary without the
// race detector: that would use many times as much of both as the program. childTask is the
// variable that names the child's task.
const childTask = "PROCESS_TEST_CHILD"

func TestMain(m *testing.M) {
	var result any
	switch os.Getenv(childTask) {
	case "":
		code := m.Run()
		os.RemoveAll(childFolder)
		os.Exit(code)
	case "load":
		result = runLoad(os.Args[1:])
	case "cost":
		result = runCost(os.Args[1])
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		panic(err)
	}
}

var childFolder string

var childBinary = sync.OnceValues(func() (binary string, err error) {
	if childFolder, err = os.MkdirTemp("", "process"); err != nil {
		return "", err
	}
	binary = filepath.Join(childFolder, "process.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// child runs a task and stores its result in result.
func child(t *testing.T, task string, result any, args ...string) {
	t.Helper()
	binary, err := childBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), childTask+"="+task)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
}

// load is the result of processing many pictures at once.
type load struct {
	Peak   int64 // of resident memory, in bytes
	Errors []string
	// Overtaken is the largest number of large pictures that overtook a waiting small one.
	Overtaken int64
}

const (
	loadWorkers = 8
	loadBudget  = 256 << 20
)

// runLoad processes files with one Processor as the service does with WORKERS=8. Files whose
// names start with "small" should be quick. Those that start with "second" get WebP variants
// at the same time, one after another.
func runLoad(files []string) load {
	debug.SetMemoryLimit(loadBudget + 80<<20)
	p := process.New(process.Config{MemoryBudget: loadBudget})
	var (
		result load
		mu     sync.Mutex
		large  atomic.Int64
		group  sync.WaitGroup
		queue  = make(chan string)
	)
	run := func(name string, want process.Options) {
		if err := runFile(p, name, want); err != nil {
			mu.Lock()
			defer mu.Unlock()
			result.Errors = append(result.Errors, fmt.Sprintf("%s: %v", filepath.Base(name), err))
		}
	}
	for range loadWorkers {
		group.Go(func() {
			for name := range queue {
				small := strings.HasPrefix(filepath.Base(name), "small")
				before := large.Load()
				run(name, process.Options{})
				mu.Lock()
				if small {
					result.Overtaken = max(result.Overtaken, large.Load()-before)
				} else {
					large.Add(1)
				}
				mu.Unlock()
			}
		})
	}
	second := func(name string) bool { return strings.HasPrefix(filepath.Base(name), "second") }
	group.Go(func() {
		for _, name := range files {
			if second(name) {
				run(name, process.Options{WebP: []string{"main", "large"}})
			}
		}
	})
	for _, name := range files {
		if !second(name) {
			queue <- name
		}
	}
	close(queue)
	group.Wait()
	result.Peak = peakMemory()
	return result
}

// runFile reserves the memory of a file before it reads it, as a download does.
func runFile(p *process.Processor, name string, want process.Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	release, err := p.Reserve(ctx, info.Size())
	if err != nil {
		return err
	}
	defer release()
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	got, err := p.Process(ctx, src, want)
	if err != nil {
		return err
	}
	got.Release()
	return nil
}

// peakMemory returns the largest resident memory of the process (proc(5), VmHWM).
func peakMemory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	panic("no VmHWM")
}

// cost is what one picture cost the process.
type cost struct {
	CPU  time.Duration
	Peak int64 // of resident memory, in bytes
	Code imaging.Code
}

func runCost(name string) cost {
	src, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	p := process.New(process.Config{})
	before := processTime()
	_, err = p.Process(context.Background(), src, process.Options{})
	c := cost{CPU: processTime() - before, Peak: peakMemory()}
	var known *imaging.Error
	if errors.As(err, &known) {
		c.Code = known.Code
	}
	return c
}

func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
