package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests here run the real program as processes: this test binary, started
// again with asProgram set, is it.
const asProgram = "VITRINE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// instance is a running vitrine process.
type instance struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	exited chan struct{}
	err    error // of the process; read it after exited

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs vitrine with the settings, and waits until it listens. It is killed
// when the test ends.
func start(t *testing.T, settings map[string]string) *instance {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startBinary(t, binary, settings)
}

func startBinary(t *testing.T, binary string, settings map[string]string) *instance {
	t.Helper()
	i := &instance{t: t, cmd: exec.Command(binary), exited: make(chan struct{})}
	i.cmd.Env = environ(settings)
	i.cmd.Dir = t.TempDir() // no .env of somebody else
	stdout, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	i.cmd.Stderr = i
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
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
	case addr := <-listening:
		i.url = "http://" + addr
	case <-i.exited:
		t.Fatalf("vitrine ended: %v\n%s", i.err, i.logged())
	case <-time.After(time.Minute):
		t.Fatal("vitrine does not listen after a minute")
	}
	return i
}

// environ is the settings and what a process needs besides, and nothing of the
// servers that the tests' own environment names.
func environ(settings map[string]string) []string {
	env := []string{asProgram + "=1", "HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	for k, v := range settings {
		env = append(env, k+"="+v)
	}
	return env
}

// read keeps the log and tells the first address that the process listens on.
func (i *instance) read(stdout io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "Listening" {
			listening <- entry.Addr
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

// kill ends the process as kill -9 does, and waits for its end.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill() // an error says that it has ended already
	<-i.exited
}

// terminate asks the process to end, and gives how long that took.
func (i *instance) terminate() time.Duration {
	i.t.Helper()
	begun := time.Now()
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	select {
	case <-i.exited:
	case <-time.After(30 * time.Second):
		i.t.Fatal("vitrine runs 30 s after SIGTERM")
	}
	return time.Since(begun)
}

// answer is what the API said.
type answer struct {
	status  int
	header  http.Header
	Data    json.RawMessage `json:"data"`
	Message string          `json:"message"`
	Code    string          `json:"code"`
}

// product is the part of a product that these tests look at.
type catalogued struct {
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

// path is where the product is.
func (c catalogued) path() string { return fmt.Sprint("/products/", c.ID) }

var client = &http.Client{Timeout: 15 * time.Second}

// call sends a request with a JSON body, unless that is nil.
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

// send sends a request and reads its answer.
func send(client *http.Client, req *http.Request) (answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// must calls and expects a status; it reads the answer's data into data.
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

// newUser gives the id of a new user. It waits until the service is ready.
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

// newProduct creates a product with pictures.
func (i *instance) newProduct(user int64, sources ...string) catalogued {
	i.t.Helper()
	var p catalogued
	i.must(201, "POST", "/products", map[string]any{
		"user_id": user, "product_name": "Lamp", "product_price": 12.5, "product_images": sources,
	}, &p)
	return p
}

// settled waits until no image of the product is pending any more.
func (i *instance) settled(id int64, limit time.Duration) catalogued {
	i.t.Helper()
	var p catalogued
	waitFor(i.t, limit, fmt.Sprint("the images of ", id), func() error {
		a, err := i.call("GET", fmt.Sprint("/products/", id), nil)
		if err != nil || a.status != 200 {
			return errors.Join(fmt.Errorf("status %d", a.status), err)
		}
		p = catalogued{}
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

// waitFor waits until f gives nil, and fails the test with its last error when
// that takes longer than limit.
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

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}
