package load

import (
	"math/rand/v2"
	"sync"
)

// shelf is the products that clients know. Deletes that were tried take a product
// off it, but it is still looked at now and then.
type shelf struct {
	mu    sync.Mutex
	live  []string
	taken []string // the latest ones
}

// hot is how many of the newest products get half of the attention.
const hot = 40

func (s *shelf) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = append(s.live, id)
}

// pick returns a product, or "" when there is none.
func (s *shelf) pick(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.live); {
	case n == 0:
		return ""
	case n > hot && rng.IntN(2) == 0:
		return s.live[n-1-rng.IntN(hot)]
	default:
		return s.live[rng.IntN(n)]
	}
}

// take returns a product and takes it off.
func (s *shelf) take(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.live)
	if n < hot {
		return ""
	}
	i := rng.IntN(n)
	id := s.live[i]
	s.live[i] = s.live[n-1]
	s.live = s.live[:n-1]
	if s.taken = append(s.taken, id); len(s.taken) > hot {
		s.taken = s.taken[1:]
	}
	return id
}

// pickTaken returns a product that was taken off lately, or "".
func (s *shelf) pickTaken(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) == 0 {
		return ""
	}
	return s.taken[rng.IntN(len(s.taken))]
}

func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
