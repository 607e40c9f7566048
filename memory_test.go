package main

import "testing"

func TestMemoryGoal(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct{ budget, container, want int64 }{
		{256 * mib, 0, 336 * mib},
		{256 * mib, 1000 * mib, 336 * mib},
		{256 * mib, 300 * mib, 270 * mib},
	} {
		if got := memoryGoal(c.budget, c.container); got != c.want {
			t.Errorf("a budget of %d in a container of %d: goal %d, want %d", c.budget, c.container, got, c.want)
		}
	}
}
