package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// raceDetector reports whether the tests, and so the program, are built with the
// race detector.
var raceDetector bool

// folder is a temporary folder for the built program.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "vitrine-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder) // it is in the system's folder for temporary files
	os.Exit(code)
}

// program builds the program once and returns its path.
var program = sync.OnceValues(func() (string, error) {
	if !raceDetector {
		return deployed()
	}
	return build("vitrine-race", exec.Command("go", "build", "-race"))
})

// deployed is [program] as it is deployed. It is for tests with large pictures, for which
// the race detector takes much time and memory.
var deployed = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "build")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return build("vitrine", cmd)
})

// build runs the go command with the name of a file, and returns its path.
func build(name string, cmd *exec.Cmd) (string, error) {
	if err := readSources(); err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	cmd.Args = append(cmd.Args, "-o", file, "vitrine")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build vitrine: %w\n%s", err, out)
	}
	return file, nil
}

// readSources stats every file of the module. The go command reuses the result of a
// passed test until a file changes that the test itself has read; it does not know which
// files the go build above has read. It sees what happens while tests run only, so
// TestMain is too early.
func readSources() error {
	return filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "../..":
			return filepath.SkipDir
		}
		_, err = os.Stat(path)
		return err
	})
}

// instance is a running vitrine process.
type instance struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the process; read it after exited

	url, adminURL string

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs vitrine with the settings and blocks until it listens. The process is
// killed when the test ends.
func start(t *testing.T, settings map[string]string) *instance {
	t.Helper()
	return startProgram(t, program, settings)
}

// startProgram is [start] for another build of the program.
func startProgram(t *testing.T, build func() (string, error), settings map[string]string) *instance {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, cmd: exec.Command(file), exited: make(chan struct{})}
	i.cmd.Env = environ(settings)
	i.cmd.Dir = t.TempDir() // without a .env file
	stdout, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	i.cmd.Stderr = i
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan addresses, 1)
	go func() {
		defer close(i.exited)
		i.read(stdout, listening)
		i.err = i.cmd.Wait()
	}()
	t.Cleanup(func() {
		i.kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", i.url, i.logged())
		}
	})
	select {
	case at := <-listening:
		i.url, i.adminURL = "http://"+at.Addr, "http://"+at.AdminAddr
	case <-i.exited:
		t.Fatalf("vitrine exited: %v\n%s", i.err, i.logged())
	case <-time.After(time.Minute):
		t.Fatal("vitrine does not listen after one minute")
	}
	return i
}

// environ returns the environment of a process with the settings. It leaves out the
// servers named in the environment of the tests.
func environ(settings map[string]string) []string {
	env := []string{"HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	for k, v := range settings {
		env = append(env, k+"="+v)
	}
	return env
}

// addresses is the log entry with the addresses that a process listens on.
type addresses struct {
	Msg       string
	Addr      string
	AdminAddr string `json:"admin_addr"`
}

// read keeps the log and sends the addresses that the process listens on.
func (i *instance) read(stdout io.Reader, listening chan<- addresses) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry addresses
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "Listening" {
			listening <- entry
		}
		i.Write(append(lines.Bytes(), '\n'))
	}
}

// Write adds to the log.
func (i *instance) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.Write(p)
}

func (i *instance) logged() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

// kill ends the process as kill -9 does and blocks until it has exited.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill() // fails if the process has exited already
	<-i.exited
}

// terminate sends SIGTERM and returns the time until the process has exited.
func (i *instance) terminate() time.Duration {
	i.t.Helper()
	begun := time.Now()
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	select {
	case <-i.exited:
	case <-time.After(30 * time.Second):
		i.t.Fatal("vitrine still runs 30 s after SIGTERM")
	}
	return time.Since(begun)
}

// answer is a response of the API.
type answer struct {
	status  int
	header  http.Header
	Data    json.RawMessage `json:"data"`
	Message string          `json:"message"`
	Code    string          `json:"code"`
}

// product has the fields of a product that these tests check.
type product struct {
	ID         int64       `json:"id"`
	Name       string      `json:"product_name"`
	Price      json.Number `json:"product_price"`
	Compressed []string    `json:"compressed_product_images"`
	Status     string      `json:"image_status"`
	Version    int64       `json:"version"`
	Images     []struct {
		ID       string `json:"id"`
		Source   string `json:"source"`
		Status   string `json:"status"`
		Attempts int    `json:"attempts"`
		Bytes    int64  `json:"bytes"`
		Width    int    `json:"width"`
		Height   int    `json:"height"`
		Format   string `json:"format"`
		Error    *struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		} `json:"error"`
		Variants []struct {
			Name   string `json:"name"`
			URL    string `json:"url"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
			Bytes  int64  `json:"bytes"`
			Format string `json:"format"`
		} `json:"variants"`
	} `json:"images"`
}

// path returns the path of the product in the API.
func (p product) path() string { return fmt.Sprint("/products/", p.ID) }

var client = &http.Client{Timeout: 15 * time.Second}

// call sends a request and reads its response. A body other than nil is sent as JSON.
func (i *instance) call(method, path string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, i.url+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return send(client, req)
}

// send sends a request and reads its response.
func send(client *http.Client, req *http.Request) (answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// must calls the API, fails the test unless the status is the given one, and decodes
// the response's data into data.
func (i *instance) must(status int, method, path string, body, data any) answer {
	i.t.Helper()
	a, err := i.call(method, path, body)
	if err != nil {
		i.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != status {
		i.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.Message)
	}
	if data != nil {
		if err := json.Unmarshal(a.Data, data); err != nil {
			i.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return a
}

// newUser waits until the service is ready, creates a user and returns its id.
func (i *instance) newUser() int64 {
	i.t.Helper()
	i.waitReady()
	var user struct{ ID int64 }
	i.must(201, "POST", "/users", map[string]string{"name": "Test", "email": "test@example.com"}, &user)
	return user.ID
}

func (i *instance) waitReady() {
	i.t.Helper()
	waitFor(i.t, 30*time.Second, "readiness", func() error {
		resp, err := client.Get(i.url + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// newProduct creates a product with images.
func (i *instance) newProduct(user int64, sources ...string) product {
	i.t.Helper()
	var p product
	i.must(201, "POST", "/products", map[string]any{
		"user_id": user, "product_name": "Lamp", "product_price": 12.5, "product_images": sources,
	}, &p)
	return p
}

// settled blocks until no image of the product is pending and returns the product.
func (i *instance) settled(id int64, limit time.Duration) product {
	i.t.Helper()
	var p product
	waitFor(i.t, limit, fmt.Sprint("the images of ", id), func() error {
		a, err := i.call("GET", fmt.Sprint("/products/", id), nil)
		if err != nil || a.status != 200 {
			return errors.Join(fmt.Errorf("status %d", a.status), err)
		}
		p = product{}
		if err := json.Unmarshal(a.Data, &p); err != nil {
			return err
		}
		if p.Status == "pending" {
			return errors.New("pending")
		}
		return nil
	})
	return p
}

// waitFor calls f until it returns nil. It fails the test with the last error of f
// after limit.
func waitFor(t *testing.T, limit time.Duration, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s: %v", limit, what, err)
		}
	}
}

// contains fails the test unless text contains every part.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}
