package main

import (
	"fmt"
	"strings"

	"vitrine/bench/chaos/fault"
)

// fullStretch is the factor by which faults last longer in a full run: longer than the
// heartbeats of RabbitMQ and the timeouts of clients.
const fullStretch = 2

// choose returns the faults of the run in order.
func (c *chaos) choose() ([]fault.Fault, error) {
	o := c.options
	disk := c.cluster.Servers.Disk != ""
	all := fault.Matrix(disk)
	if !disk {
		fmt.Fprintln(c.out, "skipping the full disk: only root can mount a small one for PostgreSQL")
	}
	if o.smoke {
		all = fault.Smoke(all)
	}
	if o.only != "" {
		var some []fault.Fault
		for _, f := range all {
			if strings.Contains(f.Name, o.only) {
				some = append(some, f)
			}
		}
		if all = some; len(all) == 0 {
			return nil, fmt.Errorf("-only: no fault has a name that contains %q", o.only)
		}
	}
	if o.full {
		for i := range all {
			all[i].Hold *= fullStretch
		}
	}
	return fault.Select(all, o.faults, o.seed), nil
}
