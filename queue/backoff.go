package queue

import (
	"math/rand/v2"
	"time"
)

// backoff grows from its first pause to its longest by doubling, each time with
// between half and the whole of the pause, so that replicas fall out of step.
type backoff struct {
	first, longest time.Duration
	times          int
}

// next gives the pause to make now.
func (b *backoff) next() time.Duration {
	pause := b.longest
	if b.times < 30 { // beyond, the shift could overflow
		pause = min(b.first<<b.times, b.longest)
	}
	b.times++
	return pause/2 + rand.N(pause/2+1)
}

func (b *backoff) reset() { b.times = 0 }
