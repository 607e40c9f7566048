package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vitrine/bench/cluster"
)

type injector = func(context.Context, *Stage) (func(context.Context) error, error)

// runCommand returns an injector that runs a command of deploy/local on a server and starts
// the server afterwards.
func runCommand(command string, server cluster.Server) injector {
	return func(ctx context.Context, s *Stage) (func(context.Context) error, error) {
		_, err := s.Cluster.Servers.Do(ctx, command, string(server))
		return start(s, server), err
	}
}

// startAttempts is how often a start is attempted: a server may fail to start while many
// clients connect to it.
const startAttempts = 3

// start returns a function that starts the server.
func start(s *Stage, server cluster.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Cluster.Servers.Do(ctx, "start", string(server))
		for attempt := 1; err != nil && attempt < startAttempts; attempt++ {
			fmt.Fprintln(s.Progress, "starting it again after an error:", err)
			if _, err = s.Cluster.Servers.Do(ctx, "stop", string(server)); err == nil {
				_, err = s.Cluster.Servers.Do(ctx, "start", string(server))
			}
		}
		return err
	}
}

// freeze returns an injector that suspends a server and its child processes with
// SIGSTOP, the parent first, so that it cannot start new ones.
func freeze(server cluster.Server) injector {
	return func(ctx context.Context, s *Stage) (func(context.Context) error, error) {
		pids, err := s.Cluster.Servers.Pids(ctx, server)
		if err != nil {
			return nil, err
		}
		err = signal(syscall.SIGSTOP, pids)
		return func(context.Context) error {
			slices.Reverse(pids)
			return signal(syscall.SIGCONT, pids)
		}, err
	}
}

// signal sends a signal to all processes. It ignores those that have exited.
func signal(sig syscall.Signal, pids []int) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("signal %d: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

// backlog is more jobs than the workers can finish before the queue is gone.
const backlog = 200

// wipeQueue kills RabbitMQ while jobs are queued, and deletes what it has stored.
func wipeQueue(ctx context.Context, s *Stage) (func(context.Context) error, error) {
	if _, err := s.Cluster.Servers.Do(ctx, "kill", string(cluster.RabbitMQ)); err != nil {
		return nil, err
	}
	return runCommand("wipe", cluster.RabbitMQ)(ctx, s)
}

// alarm makes RabbitMQ believe that it has no memory left, so that it blocks all
// publishers.
func alarm(ctx context.Context, s *Stage) (func(context.Context) error, error) {
	set := func(ctx context.Context, limit string) error {
		_, err := s.Cluster.Servers.Do(ctx, "rabbitmqctl", "-q", "set_vm_memory_high_watermark", "absolute", limit)
		return err
	}
	err := set(ctx, "1MB")
	return func(ctx context.Context) error { return set(ctx, "768MB") }, err
}

// fill fills PostgreSQL's disk. PostgreSQL may exit when it cannot write its log; it is
// started again once there is space.
func fill(_ context.Context, s *Stage) (func(context.Context) error, error) {
	if err := s.Cluster.Servers.FillDisk(); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := s.Cluster.Servers.FreeDisk(); err != nil {
			return err
		}
		return start(s, cluster.Postgres)(ctx)
	}, nil
}

// rollBack kills Redis and restarts it with a snapshot that is some seconds old.
func rollBack(ctx context.Context, s *Stage) (func(context.Context) error, error) {
	servers := s.Cluster.Servers
	if err := saveRedis(ctx, servers); err != nil {
		return nil, err
	}
	select {
	case <-time.After(s.between(time.Second, 3*time.Second)):
	case <-ctx.Done():
	}
	if _, err := servers.Do(ctx, "kill", string(cluster.Redis)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := start(s, cluster.Redis)(ctx); err != nil {
			return err
		}
		return os.Remove(filepath.Join(servers.Dir(cluster.Redis), "dump.rdb"))
	}, nil
}

// saveRedis has Redis write a snapshot, which it loads at its next start.
func saveRedis(ctx context.Context, servers *cluster.Servers) error {
	u, err := url.Parse(servers.Env["REDIS_URL"])
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	dialer := net.Dialer{Timeout: 3 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nSAVE\r\n", password); err != nil {
		return err
	}
	var answer strings.Builder
	buf := make([]byte, 256)
	for strings.Count(answer.String(), "\r\n") < 2 {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		answer.Write(buf[:n])
	}
	if answer.String() != "+OK\r\n+OK\r\n" {
		return fmt.Errorf("redis did not save a snapshot: %q", answer.String())
	}
	return nil
}
