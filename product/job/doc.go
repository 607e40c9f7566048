// Package job is the life of image jobs: claim, lease, settle, the record of attempts, and what
// makes an image be processed again. First processing and reprocessing share it.
//
// It imports catalogue, deadletter, outbox and the packages below them, and imaging. Its Store is
// the job store that imaging/worker declares. Begin with claim.go and settle.go; requeue.go
// repairs jobs that were lost.
package job
