package main

import (
	"fmt"
	"strings"

	"vitrine/bench/chaos/fault"
)

// fullStretch is how much longer faults last in a full run: longer than a broker's
// heartbeats and a client's patience.
const fullStretch = 2

// choose returns the faults of the run in their order.
func (c *chaos) choose() ([]fault.Fault, error) {
	o := c.options
	disk := c.cluster.Servers.Disk != ""
	all := fault.Matrix(disk)
	if !disk {
		fmt.Fprintln(c.out, "no full disk: to mount a small one for PostgreSQL takes root")
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
			return nil, fmt.Errorf("no fault's name contains %q", o.only)
		}
	}
	if o.full {
		for i := range all {
			all[i].Hold *= fullStretch
		}
	}
	return fault.Select(all, o.faults, o.seed), nil
}
