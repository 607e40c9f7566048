package imaging

import "time"

var processStart = time.Now()

// wallTime is the monotonic time since the process began.
func wallTime() time.Duration { return time.Since(processStart) }
