// Package maintenance repairs and deletes what other packages leave behind: the reconciler
// requeues lost jobs and purges old rows, the sweeper deletes objects that no row refers to, and
// the deletion relay deletes the objects of removed images.
//
// It imports every package of product/ below web, and imaging. Begin with Steps in
// reconciler.go, then object_deletion.go and sweeper.go.
package maintenance
