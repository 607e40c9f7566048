package imaging

import "sync"

// keptPlanes is the size up to which memory for decoded planes is kept for the
// next picture, in bytes: that of usual photographs. Larger ones come seldom.
const keptPlanes = 10 << 20

var planePool sync.Pool

// planes is memory for a decoded picture.
type planes struct{ bytes []byte }

// takePlanes gives at least n bytes, with anything in them.
func takePlanes(n int64) *planes {
	if n == 0 {
		return new(planes)
	}
	p, ok := planePool.Get().(*planes)
	if !ok {
		p = new(planes)
	}
	if int64(cap(p.bytes)) < n {
		p.bytes = make([]byte, n)
	}
	return p
}

// giveBack may only be called once nothing refers to the memory any more.
func (p *planes) giveBack() {
	if n := cap(p.bytes); n > 0 && n <= keptPlanes {
		planePool.Put(p)
	}
}
