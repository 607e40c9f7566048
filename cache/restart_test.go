package cache_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/rueidis"

	"vitrine/bench/testenv"
)

// server is a Redis process of the test's own, on a socket.
type server struct {
	t       *testing.T
	dir     string
	process *exec.Cmd
}

// serve starts a Redis that loads the snapshot in its folder, if there is one.
func (s *server) serve() {
	s.t.Helper()
	s.process = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket(),
		"--dir", s.dir, "--save", "", "--appendonly", "no", "--logfile", filepath.Join(s.dir, "log"))
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("make up installs Redis: %v", err)
	}
}

func (s *server) socket() string { return filepath.Join(s.dir, "s") }

func (s *server) kill() {
	s.process.Process.Kill()
	s.process.Wait()
}

// TestRestoredSnapshot: a server that comes back with an old snapshot must not
// give an old value, though nobody missed an invalidation.
func TestRestoredSnapshot(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "redis") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, dir: dir}
	s.serve()
	t.Cleanup(func() { s.kill() })

	cfg := settings(t)
	cfg.URL = "unix://" + s.socket()
	k := key{T: t, c: open(t, cfg)}
	k.replace(k.forbid(), "old")
	save(t, s.socket())
	k.replace(k.forbid(), "new")

	s.kill()
	s.serve()
	testenv.Eventually(t, "the restart to be noticed", func() bool { return !k.c.Trusted() })
	testenv.Eventually(t, "trust to come back", k.c.Trusted)
	if e := k.get(); e.Hit || e.Lease == "" {
		t.Errorf("found %q, lease %q", e.Value, e.Lease)
	}
	// The snapshot did hold the old value.
	if held := keys(t, connect(t, s.socket()), cfg.Prefix+"k@"); len(held) != 2 {
		t.Errorf("Redis holds %q, want the old server's key and the new one's", held)
	}
}

func connect(t *testing.T, socket string) rueidis.Client {
	t.Helper()
	opt, err := rueidis.ParseURL("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	opt.DisableCache, opt.ForceSingleClient = true, true
	client, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func save(t *testing.T, socket string) {
	t.Helper()
	client := connect(t, socket)
	if err := client.Do(context.Background(), client.B().Save().Build()).Error(); err != nil {
		t.Fatal(err)
	}
}
