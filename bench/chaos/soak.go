package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"vitrine/bench/cluster"
)

// usage is the resource usage of a process.
type usage struct {
	pid               int
	goroutines, files int
	resident          int64 // bytes
}

// meter compares the resource usage of the replicas at the start and the end of a soak.
type meter struct {
	chaos  *chaos
	before []usage
}

const (
	warmUp   = 30 * time.Second // until pools and caches are filled
	coolDown = 30 * time.Second // until the resources of the last requests are released
)

func newMeter(c *chaos) *meter { return &meter{chaos: c} }

// begin measures once the replicas are warm.
func (m *meter) begin(ctx context.Context) (err error) {
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	m.before, err = m.measure(ctx)
	return err
}

// end measures again once the replicas are idle, and prints both results. It marks the
// replicas that were restarted in between, whose figures started again from zero.
func (m *meter) end(ctx context.Context) {
	if sleep(ctx, coolDown) != nil {
		return
	}
	after, err := m.measure(ctx)
	if err != nil {
		fmt.Fprintln(m.chaos.out, "cannot measure the replicas:", err)
		return
	}
	w := tabwriter.NewWriter(m.chaos.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nREPLICA\tSINCE START\tGOROUTINES\tOPEN FILES\tMEMORY")
	for i, r := range m.chaos.cluster.Replicas {
		a, b := m.before[i], after[i]
		life := "same process"
		if a.pid != b.pid {
			life = "restarted"
		}
		fmt.Fprintf(w, "%s\t%s\t%d -> %d\t%d -> %d\t%d -> %d MiB\n", r.Name, life,
			a.goroutines, b.goroutines, a.files, b.files, a.resident>>20, b.resident>>20)
	}
	_ = w.Flush() // it fails only if the terminal does
}

// measure returns the resource usage of every replica.
func (m *meter) measure(ctx context.Context) ([]usage, error) {
	all := make([]usage, len(m.chaos.cluster.Replicas))
	for i, r := range m.chaos.cluster.Replicas {
		u, err := measure(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
		all[i] = u
	}
	return all, nil
}

// measure returns the resource usage of a replica according to its metrics.
func measure(ctx context.Context, r *cluster.Replica) (usage, error) {
	values, err := metrics(ctx, r)
	return usage{
		pid: r.Pid(), goroutines: int(values["go_goroutines"]), files: int(values["process_open_fds"]),
		resident: int64(values["process_resident_memory_bytes"]),
	}, err
}
