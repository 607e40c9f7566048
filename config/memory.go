package config

// minBudget is the least that pictures are worked on with.
const minBudget = Bytes(32 << 20)

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
