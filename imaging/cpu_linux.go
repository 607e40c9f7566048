package imaging

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the CPU time that the calling thread has spent: a picture is not
// blamed for the machine being busy with others.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return wallTime()
	}
	return time.Duration(ts.Nano())
}
