package imaging

import (
	"math/rand/v2"
	"time"
)

// backoff is the wait after n failures before this one: base doubled n times, at
// most limit, of which a random half is taken off so that many do not come
// back at once.
func backoff(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 30 && base<<n < limit && base<<n > 0 {
		d = base << n
	}
	return d/2 + rand.N(d/2+1)
}

// oursWait is how long a picture waits at least after a try that ended by the
// fault of our own dependencies. Such tries are not counted as attempts, so that
// only the job store can tell how many there were and let the wait grow.
func oursWait() time.Duration { return backoff(0, 2*time.Second, 2*time.Second) }
