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

// AllServers lists every server.
var AllServers = []Server{Postgres, Redis, RabbitMQ, MinIO}

// Servers is a private set of the four servers, run by deploy/local. The script manages
// only the servers of the checkout that it is in, so a copy of it in another folder
// manages a separate set.
type Servers struct {
	root, folder string // of the checkout and of the private set
	// Env holds the settings with which the service uses the servers.
	Env map[string]string
	// Disk is the mount point of PostgreSQL's small disk, or empty without one.
	Disk string
}

// commandLimit bounds one command of deploy/local: the first "up" installs and builds.
const commandLimit = 20 * time.Minute

// StartServers starts empty servers and deletes what an earlier run left in the folder.
// diskBytes is the size of PostgreSQL's separate disk; zero means none. Mounting it
// needs root.
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

// state returns the folder in which the copied script keeps all data.
func (s *Servers) state() string { return filepath.Join(s.folder, ".local") }

// copyScript copies deploy/local from the checkout.
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

// Do runs deploy/local with the arguments and returns its output.
func (s *Servers) Do(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.script(), args...)
	// A Ctrl-C must not reach the script: interrupted, it could leave a server half started.
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

// Close stops the servers. wipe also deletes their data and logs.
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

// Pids returns the process ids of the server and of all its descendants.
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

// Addr returns the server's own address.
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

// Dir returns the folder in which the server keeps its data.
func (s *Servers) Dir(server Server) string { return filepath.Join(s.state(), string(server)) }
