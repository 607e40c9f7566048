// Package outbox stores what has to happen outside the database, in the transaction that makes
// it necessary, and carries it out at least once: image jobs are sent to the queue, objects
// are deleted, and cached values are invalidated.
//
// It imports product, postgres and imaging. Begin with outbox.go (rows) and relay.go (the
// loop that handles them). scheduler.go decides which owner's job is next; job_relay.go sends
// it.
package outbox
