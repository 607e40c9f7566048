package config

import (
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// minBudget is the minimum memory budget for images.
	minBudget = Bytes(32 << 20)
	// baseMemory is the memory that the process needs besides images, in bytes.
	baseMemory = 80 << 20
)

// ContainerMemory returns the memory limit of the container (its cgroup) in bytes, or 0
// if there is none.
func ContainerMemory() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64 {
		return 0
	}
	return int64(limit)
}

// fitMemory lowers the default of the image budget to half of the process's memory
// limit, in bytes. It keeps the budget large enough for the largest source, which may use
// a quarter of it.
func (c *Config) fitMemory(memory int64) {
	if memory <= 0 {
		return
	}
	half := max(Bytes(memory/2), minBudget, 4*c.FetchMaxBytes)
	c.MemBudget = min(c.MemBudget, half)
}

// MemoryGoal returns the soft memory limit for the Go runtime in bytes: the image budget
// and baseMemory, but at most nine tenths of memory, the process's memory limit (0: none).
// The rest is for memory that the runtime does not count.
func (c Config) MemoryGoal(memory int64) int64 {
	goal := int64(c.MemBudget) + baseMemory
	if memory > 0 {
		goal = min(goal, memory/10*9)
	}
	return goal
}
