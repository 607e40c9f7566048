package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// haproxyConfig configures the load balancer. It never sends a request twice: only a
// failed connection is retried, with the next replica. While no replica is ready, the
// requests go to those that are alive: they serve what they can and answer the rest
// with a 503.
const haproxyConfig = `global
	maxconn 2000
defaults
	mode http
	timeout connect 1s
	timeout client 60s
	timeout server 15s
	timeout http-request 15s
	timeout queue 2s
	timeout check 1500ms
	retries 3
	retry-on conn-failure
	option redispatch 1
	option http-server-close
	default-server inter 300ms fastinter 200ms downinter 300ms fall 2 rise 2
frontend api
	bind %s
	use_backend ready if { nbsrv(ready) gt 0 }
	default_backend alive
backend ready
	balance roundrobin
	option httpchk GET /readyz
	http-request set-timeout server 45s if { req.hdr(prefer) -m sub -i wait } or { path /events /api/events }
	http-response set-header X-Replica %%s
%s
backend alive
	balance roundrobin
	option httpchk GET /healthz
	http-request set-timeout server 45s if { req.hdr(prefer) -m sub -i wait } or { path /events /api/events }
	http-response set-header X-Replica %%s
%s
`

// startProxy starts HAProxy on addr.
func (c *Cluster) startProxy(ctx context.Context, addr string) error {
	binary, err := findHAProxy(ctx)
	if err != nil {
		return err
	}
	var ready, alive strings.Builder
	for _, r := range c.Replicas {
		fmt.Fprintf(&ready, "\tserver %s %s check\n", r.Name, r.addr)
		fmt.Fprintf(&alive, "\tserver %s %s check\n", r.Name, r.addr)
	}
	path := filepath.Join(c.folder, "haproxy.cfg")
	config := fmt.Sprintf(haproxyConfig, addr, ready.String(), alive.String())
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	c.proxy, err = c.spawner.start(filepath.Join(c.folder, "log", "haproxy.log"),
		[]string{"PATH=" + os.Getenv("PATH")}, binary, "-db", "-f", path)
	if err != nil {
		return fmt.Errorf("start haproxy: %w", err)
	}
	return c.awaitProxy(addr)
}

// awaitProxy blocks until HAProxy accepts connections.
func (c *Cluster) awaitProxy(addr string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		if c.proxy.ended() {
			return errors.New("haproxy exited right after its start; see log/haproxy.log")
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-limit:
			return errors.New("haproxy did not listen within 10 s; see log/haproxy.log")
		}
	}
}

// policy prevents Debian's package from starting HAProxy as a service of the machine.
const (
	policyPath = "/usr/sbin/policy-rc.d"
	policy     = "#!/bin/sh\ncase $1 in haproxy*) exit 101 ;; esac\nexit 0\n"
)

// findHAProxy returns the path of HAProxy. It installs Debian's package if HAProxy is
// missing.
func findHAProxy(ctx context.Context) (string, error) {
	if path, ok := lookHAProxy(); ok {
		return path, nil
	}
	if os.Geteuid() != 0 {
		return "", errors.New("haproxy is missing; run: sudo apt-get install -y haproxy")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := os.Stat(policyPath); errors.Is(err, os.ErrNotExist) { // an existing policy stays as it is
		if err := os.WriteFile(policyPath, []byte(policy), 0o755); err != nil {
			return "", err
		}
		defer os.Remove(policyPath)
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", "haproxy"}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w: %s", args[0], err, out)
		}
	}
	path, ok := lookHAProxy()
	if !ok {
		return "", errors.New("haproxy cannot be found after its installation")
	}
	return path, nil
}

func lookHAProxy() (string, bool) {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return path, true
	}
	const debian = "/usr/sbin/haproxy" // not in every user's PATH
	_, err := os.Stat(debian)
	return debian, err == nil
}
