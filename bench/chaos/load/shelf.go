package load

import (
	"math/rand/v2"
	"sync"
)

// shelf holds the products that clients know. A delete takes a product off the shelf,
// also if its outcome is unknown; such products are still read now and then.
type shelf struct {
	mu    sync.Mutex
	live  []string
	taken []string // the most recent ones
}

// hot is the number of the newest products that receive half of the requests.
const hot = 40

// add puts a product on the shelf.
func (s *shelf) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = append(s.live, id)
}

// pick returns a random product, or "" if the shelf is empty.
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

// take returns a random product and takes it off the shelf. It returns "" if there are
// too few.
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

// pickTaken returns a product that was taken off recently, or "".
func (s *shelf) pickTaken(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) == 0 {
		return ""
	}
	return s.taken[rng.IntN(len(s.taken))]
}

// size returns the number of products on the shelf.
func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
