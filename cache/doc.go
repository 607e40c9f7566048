// Package cache stores byte strings in Redis such that no replica reads a value
// older than the last acknowledged write.
//
// A reader that misses takes a lease on the key and may fill the key only while
// the lease is still there ([Cache.Get], [Cache.Fill]). A writer puts a tombstone on
// the key before it commits ([Cache.Forbid]), which ends every lease. After the
// commit it replaces the tombstone by the new value ([Cache.Replace]), or removes
// what is there ([Cache.Drop]). [Cache.Fetch] is the complete read: the cache, else
// the database.
//
// The writers of a key put their tombstones in the order of their commits. So the
// last tombstone belongs to the last commit or to one in progress, and only its
// writer can replace it before it expires. A writer that is killed between its
// commit and its Replace leaves a tombstone, never an old value.
//
// Redis may be down at any time, including when the process starts. When it
// returns, its contents are not trusted at first, because writes continued without
// it: see [Cache.Run].
//
// The package knows keys and bytes and imports no other package of the project.
// Begin reading with fetch.go (a read through the cache), then protocol.go (leases
// and tombstones) and trust.go (outages).
package cache
