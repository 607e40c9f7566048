package worker

import (
	"math/rand/v2"
	"time"
)

// backoff returns the wait after a failure that n others preceded: base doubled n times, at
// most limit, shortened at random by up to a half so that many jobs do not come back at
// once.
func backoff(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 30 && base<<n < limit && base<<n > 0 {
		d = base << n
	}
	return d/2 + rand.N(d/2+1)
}

// oursWait returns the least wait after an attempt that failed because of a dependency of this
// service. Such attempts are not counted, so only the job store can know how many there were
// and let the wait grow.
func oursWait() time.Duration { return backoff(0, 2*time.Second, 2*time.Second) }
