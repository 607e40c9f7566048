package config_test

import (
	"path/filepath"
	"testing"

	"vitrine/config"
)

// TestLoadFitsTheContainer shows the pictures' budget in containers of several
// sizes: half of the container unless it is set.
func TestLoadFitsTheContainer(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		memory  int64
		environ []string
		want    config.Bytes
	}{
		{0, nil, 256 * mib},
		{4 << 30, nil, 256 * mib},
		{300 * mib, nil, 150 * mib},
		{100 * mib, nil, 80 * mib}, // or the largest source would not fit
		{100 * mib, []string{"FETCH_MAX_BYTES=1MiB"}, 50 * mib},
		{40 * mib, []string{"FETCH_MAX_BYTES=1MiB"}, 32 * mib},
		{300 * mib, []string{"IMAGE_MEMORY_BUDGET=200MiB"}, 200 * mib},
		{300 * mib, []string{"IMAGE_MEMORY_BUDGET="}, 150 * mib},
	} {
		got, err := config.Load(c.environ, filepath.Join(t.TempDir(), ".env"), c.memory)
		if err != nil {
			t.Errorf("%d bytes, %v: %v", c.memory, c.environ, err)
		}
		if got.MemBudget != c.want {
			t.Errorf("%d bytes, %v: budget %v, want %v", c.memory, c.environ, got.MemBudget, c.want)
		}
	}
}

func TestMemoryGoal(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		budget       config.Bytes
		memory, want int64
	}{
		{256 * mib, 0, 336 * mib},
		{256 * mib, 1000 * mib, 336 * mib},
		{256 * mib, 300 * mib, 270 * mib},
	} {
		if got := (config.Config{MemBudget: c.budget}).MemoryGoal(c.memory); got != c.want {
			t.Errorf("a budget of %v in a container of %d: goal %d, want %d", c.budget, c.memory, got, c.want)
		}
	}
}
