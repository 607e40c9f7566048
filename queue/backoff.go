package queue

import (
	"math/rand/v2"
	"time"
)

// backoff doubles its pause from first to longest. Each pause is between half and the
// whole of that at random, so that replicas do not act in step.
type backoff struct {
	first, longest time.Duration
	times          int
}

// next returns the next pause.
func (b *backoff) next() time.Duration {
	pause := b.longest
	if b.times < 30 { // beyond, the shift could overflow
		pause = min(b.first<<b.times, b.longest)
	}
	b.times++
	return pause/2 + rand.N(pause/2+1)
}

func (b *backoff) reset() { b.times = 0 }
