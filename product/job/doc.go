// Package job manages the life of image jobs: it claims, leases and settles them, records
// the attempts, and enqueues images to be processed again. First processing and
// reprocessing share it.
//
// It imports catalogue, deadletter, outbox and the packages below them, and imaging. Its Store is
// the job store that imaging/worker declares. Begin with claim.go and settle.go; requeue.go
// repairs jobs that were lost.
package job
