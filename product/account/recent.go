package account

import "sync"

// recent remembers values under keys, the latest ones at least and twice as many at
// most. It is safe for concurrent use.
type recent[K comparable, V any] struct {
	mu         sync.Mutex
	least      int
	young, old map[K]V // young is the newer half; when it is full, old is forgotten
}

func newRecent[K comparable, V any](least int) *recent[K, V] {
	return &recent[K, V]{least: least, young: map[K]V{}}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.young[key]; ok {
		return value, true
	}
	value, ok := r.old[key]
	return value, ok
}

func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.young[key]; !there && len(r.young) >= r.least {
		r.young, r.old = make(map[K]V, r.least), r.young
	}
	r.young[key] = value
}

func (r *recent[K, V]) remove(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}
