//go:build !linux

package imaging

import "time"

// cpuTime stands in by the time of day where a thread's own is not to be had.
func cpuTime() time.Duration { return wallTime() }
