package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const logPath = ".local/log/vitrine.log"

// service is the running vitrine process.
type service struct {
	url, logPath string
	cmd          *exec.Cmd
	exited       chan struct{} // closed when the process has ended
}

// startService starts the service with its log in a file. Its address must be free, so
// that the demo does not talk to another process.
func startService(binary string, source *source) (*service, error) {
	addr := os.Getenv("HTTP_ADDR")
	if addr == "" {
		addr = "127.0.0.1:8080"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("HTTP_ADDR: %w", err)
	}
	probe, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s is in use; choose another address: HTTP_ADDR=127.0.0.1:8081 make run", addr)
	}
	probe.Close()
	if host == "" || host == "127.0.0.1" || host == "0.0.0.0" {
		host = "localhost"
	}
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor

	cmd := exec.Command(binary)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "HTTP_ADDR="+addr,
		"FETCH_ALLOW_CIDRS="+list(os.Getenv("FETCH_ALLOW_CIDRS"), "127.0.0.1/32"),
		"FETCH_ALLOW_PORTS="+list(os.Getenv("FETCH_ALLOW_PORTS"), source.port))
	if os.Getenv("ADMIN_ADDR") == "" {
		cmd.Env = append(cmd.Env, "ADMIN_ADDR=off") // the demo does not need it, and its port may be in use
	}
	// Ctrl-C reaches the whole foreground process group. Only stop may stop the
	// service, and the service must not outlive the demo.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &service{"http://" + net.JoinHostPort(host, port), logPath, cmd, make(chan struct{})}
	go func() {
		defer close(s.exited)
		_ = cmd.Wait() // the log shows how it ended
	}()
	return s, nil
}

func list(values ...string) string {
	return strings.TrimLeft(strings.Join(values, ","), ",")
}

// waitReady blocks until the service is ready.
func (s *service) waitReady(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := c.http.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("the service did not start; see %s", s.logPath)
		case <-ctx.Done():
			return errors.New("the service was not ready after a minute; see " + s.logPath)
		}
	}
}

// stop shuts the service down, and kills it if that takes too long.
func (s *service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails only if the process has exited
	select {
	case <-s.exited:
	case <-time.After(25 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}
