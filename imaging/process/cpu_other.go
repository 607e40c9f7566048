//go:build !linux

package imaging

import "time"

// cpuTime returns wall time: the CPU time of a thread is not available here.
func cpuTime() time.Duration { return elapsed() }
