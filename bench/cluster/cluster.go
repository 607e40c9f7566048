// Package cluster runs the whole service for a benchmark: private servers, several
// replicas of the real binary, proxies between them, and a load balancer. Everything
// listens on loopback and ends with the process that started it.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Config configures a cluster.
type Config struct {
	Root   string // of the checkout
	Folder string // absolute; for data, logs and the binary
	// Replicas is the number of processes of the service.
	Replicas int
	Race     bool // build the service with the race detector
	// Binary is the path of the service; if empty, it is built from the checkout.
	Binary string
	// Chaos adds a load balancer, links between replicas and servers, and a small
	// separate disk for PostgreSQL's data.
	Chaos bool
	// Env is set for every replica.
	Env map[string]string
	// Progress receives one line for each step.
	Progress io.Writer
}

// Cluster is a running service. Its methods are not safe for concurrent use.
type Cluster struct {
	Servers  *Servers
	Replicas []*Replica
	URL      string // of the load balancer; without one, of the first replica

	folder  string
	spawner *spawner
	proxy   *process
}

// diskBytes is enough for a run and small enough to fill quickly.
const diskBytes = 1536 << 20

// Start starts everything and returns when all replicas are ready. Call Close after it,
// also after an error.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c := &Cluster{folder: cfg.Folder, spawner: newSpawner()}
	report := func(format string, args ...any) { fmt.Fprintf(cfg.Progress, format+"\n", args...) }
	if err := os.MkdirAll(filepath.Join(cfg.Folder, "log"), 0o755); err != nil {
		return c, err
	}
	binary := cfg.Binary
	if binary == "" {
		report("building the service")
		binary = filepath.Join(cfg.Folder, "vitrine")
		if err := build(ctx, cfg.Root, binary, cfg.Race); err != nil {
			return c, err
		}
	}
	report("starting PostgreSQL, Redis, RabbitMQ and MinIO")
	size := int64(0)
	if cfg.Chaos {
		size = diskBytes
	}
	var err error
	if c.Servers, err = StartServers(ctx, cfg.Root, filepath.Join(cfg.Folder, "servers"), size); err != nil {
		return c, err
	}
	report("starting %d replicas", cfg.Replicas)
	if err := c.startReplicas(cfg, binary); err != nil {
		return c, err
	}
	if err := c.AwaitHealthy(ctx, time.Minute); err != nil {
		return c, err
	}
	c.URL = c.Replicas[0].URL
	if cfg.Chaos {
		addr, err := freeAddr()
		if err != nil {
			return c, err
		}
		c.URL = "http://" + addr
		return c, c.startProxy(ctx, addr)
	}
	return c, nil
}

// build builds the service: without cgo, as it is deployed, unless the race detector
// needs it.
func build(ctx context.Context, root, binary string, race bool) error {
	args, cgo := []string{"build", "-o", binary}, "CGO_ENABLED=0"
	if race {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the service: %w\n%s", err, out)
	}
	return nil
}

func (c *Cluster) startReplicas(cfg Config, binary string) error {
	toxiproxy := newToxiproxy()
	for i := range cfg.Replicas {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		admin, err := freeAddr()
		if err != nil {
			return err
		}
		r := &Replica{
			Name: fmt.Sprintf("replica-%d", i+1), URL: "http://" + addr, AdminURL: "http://" + admin,
			addr: addr, admin: admin, binary: binary, spawner: c.spawner,
		}
		r.logPath = filepath.Join(c.folder, "log", r.Name+".log")
		if cfg.Chaos {
			r.Links = map[Server]*Link{}
			for _, server := range AllServers {
				name := fmt.Sprintf("%s-%s", r.Name, server)
				if r.Links[server], err = newLink(toxiproxy, name, c.Servers.Addr(server)); err != nil {
					return err
				}
			}
		}
		r.env = r.settings(c.Servers.Env, cfg.Env)
		c.Replicas = append(c.Replicas, r)
		if err := r.Start(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitHealthy blocks until every replica is ready and reports all dependencies up, or
// returns an error after limit.
func (c *Cluster) AwaitHealthy(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var problems []string
		for _, r := range c.Replicas {
			if p := r.Problem(ctx); p != "" {
				problems = append(problems, p)
			}
		}
		if len(problems) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not healthy after %s: %s", limit, strings.Join(problems, "; "))
		}
	}
}

// Close ends everything. wipe also deletes the servers' data and logs; otherwise they
// are kept. Close may be called twice.
func (c *Cluster) Close(ctx context.Context, wipe bool) error {
	if c.proxy != nil {
		c.proxy.kill()
	}
	for _, r := range c.Replicas {
		r.close()
		for _, link := range r.Links {
			if link != nil {
				link.close()
			}
		}
	}
	if c.Servers == nil {
		return nil
	}
	if err := c.Servers.Close(ctx, wipe); err != nil {
		return errors.Join(errors.New("some servers are still running"), err)
	}
	return nil
}
