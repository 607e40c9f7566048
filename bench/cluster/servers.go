package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server names one of the four servers, as deploy/local does.
type Server string

// The servers.
const (
	Postgres Server = "postgres"
	Redis    Server = "redis"
	RabbitMQ Server = "rabbitmq"
	MinIO    Server = "minio"
)

// AllServers is every server.
var AllServers = []Server{Postgres, Redis, RabbitMQ, MinIO}

// Servers is a private set of the four servers, run by deploy/local. That script
// works for the checkout it is in: a copy of it in a folder of our own is a checkout
// of its own, and can touch no other's servers.
type Servers struct {
	root, folder string // of the checkout, and of our own
	// Env is what a process needs to use them.
	Env map[string]string
	// Disk is where PostgreSQL's data has a small disk of its own; empty where
	// this process may not mount one.
	Disk string
}

// commandLimit bounds one verb of deploy/local: a first "up" installs and builds.
const commandLimit = 20 * time.Minute

// StartServers begins afresh: what an earlier run left in the folder is deleted.
// diskBytes is the size of PostgreSQL's disk; zero gives it none of its own.
func StartServers(ctx context.Context, root, folder string, diskBytes int64) (*Servers, error) {
	s := &Servers{root: root, folder: folder}
	if err := s.copyScript(); err != nil {
		return nil, err
	}
	if err := s.Close(ctx, true); err != nil {
		return nil, err
	}
	if _, err := s.Do(ctx, "up"); err != nil {
		return s, err
	}
	if diskBytes > 0 && os.Geteuid() == 0 {
		if err := s.moveToDisk(ctx, diskBytes); err != nil {
			return s, err
		}
	}
	env, err := s.Do(ctx, "env")
	if err != nil {
		return s, err
	}
	s.Env = map[string]string{}
	for line := range strings.Lines(env) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		s.Env[name] = value
	}
	return s, nil
}

func (s *Servers) script() string { return filepath.Join(s.folder, "deploy", "local") }

// state is where the copy keeps everything.
func (s *Servers) state() string { return filepath.Join(s.folder, ".local") }

// copyScript takes the checkout's script as it is now.
func (s *Servers) copyScript() error {
	deploy := filepath.Join(s.folder, "deploy")
	if err := os.RemoveAll(deploy); err != nil {
		return err
	}
	parts := filepath.Join(s.root, "deploy", "local.d")
	if err := os.CopyFS(filepath.Join(deploy, "local.d"), os.DirFS(parts)); err != nil {
		return fmt.Errorf("copy deploy/local.d: %w", err)
	}
	script, err := os.ReadFile(filepath.Join(s.root, "deploy", "local"))
	if err != nil {
		return err
	}
	return os.WriteFile(s.script(), script, 0o755)
}

// Do runs deploy/local with the arguments and gives what it printed.
func (s *Servers) Do(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.script(), args...)
	// A Ctrl-C is for us alone; a script that is cut off may leave half a server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("deploy/local %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Close stops the servers; wipe deletes what they stored and their logs too.
func (s *Servers) Close(ctx context.Context, wipe bool) error {
	if _, err := s.Do(ctx, "down"); err != nil {
		return err
	}
	if err := s.unmountDisk(); err != nil {
		return err
	}
	if wipe {
		_, err := s.Do(ctx, "down", "--wipe")
		return err
	}
	return nil
}

// Pids returns the server's process and all of its helpers.
func (s *Servers) Pids(ctx context.Context, server Server) ([]int, error) {
	out, err := s.Do(ctx, "pid", string(server))
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		return nil, fmt.Errorf("pid of %s: %w", server, err)
	}
	return family(pid), nil
}

// Addr is the server's own address.
func (s *Servers) Addr(server Server) string {
	switch server {
	case Postgres:
		return s.Env["DB_HOST"] + ":" + s.Env["DB_PORT"]
	case Redis:
		return s.Env["REDIS_HOST"] + ":" + s.Env["REDIS_PORT"]
	case RabbitMQ:
		return hostOf(s.Env["RABBITMQ_URL"])
	default:
		return hostOf(s.Env["S3_ENDPOINT"])
	}
}

// Dir is the folder in which the server keeps its data.
func (s *Servers) Dir(server Server) string { return filepath.Join(s.state(), string(server)) }
