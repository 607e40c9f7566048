package account

// Recent is what the tests see of the memory for keys.
type Recent struct{ r *recent[int, int] }

// NewRecent makes one that remembers at least so many.
func NewRecent(least int) Recent { return Recent{newRecent[int, int](least)} }

// Get, Put and Remove are those of the memory, and Len is what it holds.
func (r Recent) Get(key int) (int, bool) { return r.r.get(key) }
func (r Recent) Put(key, value int)      { r.r.put(key, value) }
func (r Recent) Remove(key int)          { r.r.remove(key) }
func (r Recent) Len() int                { return len(r.r.young) + len(r.r.old) }
