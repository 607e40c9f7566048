package config

import (
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// minBudget is the least that pictures are worked on with.
	minBudget = Bytes(32 << 20)
	// baseMemory is what the process takes beside the pictures.
	baseMemory = 80 << 20
)

// ContainerMemory gives how many bytes the container (the cgroup) may have, or 0
// where nothing limits it. How many CPUs it has, the Go runtime sees by itself.
func ContainerMemory() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64 {
		return 0
	}
	return int64(limit)
}

// fitMemory lowers the default of the pictures' budget to half of what the process
// may have, in bytes: the other half is for everything else. It leaves room for the
// largest source, of which a quarter of the budget is meant.
func (c *Config) fitMemory(memory int64) {
	if memory <= 0 {
		return
	}
	half := max(Bytes(memory/2), minBudget, 4*c.FetchMaxBytes)
	c.MemBudget = min(c.MemBudget, half)
}

// MemoryGoal gives the bytes that the garbage collector is to keep within: what the
// pictures' budget promises, but not the last tenth of the memory that the process
// may have (0: nobody has said), which is for what the runtime does not count.
func (c Config) MemoryGoal(memory int64) int64 {
	goal := int64(c.MemBudget) + baseMemory
	if memory > 0 {
		goal = min(goal, memory/10*9)
	}
	return goal
}
