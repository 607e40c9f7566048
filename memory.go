package main

import (
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// baseMemory is what the process takes beside the pictures.
const baseMemory = 80 << 20

// containerMemory gives how many bytes the container (the cgroup) may have, or 0
// where nothing limits it. How many CPUs it has, the Go runtime sees by itself.
func containerMemory() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64 {
		return 0
	}
	return int64(limit)
}

// memoryGoal gives the bytes that the garbage collector is to keep within: what the
// pictures' budget promises, but not the container's last tenth, which is for what
// the runtime does not count.
func memoryGoal(budget, container int64) int64 {
	goal := budget + baseMemory
	if container > 0 {
		goal = min(goal, container/10*9)
	}
	return goal
}
