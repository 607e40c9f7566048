// Package worker runs one attempt of an image job: it claims the image, fetches the source,
// makes and stores the variants, settles the outcome, and decides whether a failed attempt is
// repeated.
//
// The package imports imaging, imaging/fetch and imaging/process. It reaches the job store and
// the object store through interfaces of its own and knows no database, broker or cache. Begin
// with worker.go, then attempt.go and outcome.go.
package worker
