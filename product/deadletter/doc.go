// Package deadletter keeps images that failed for good, and messages that could not be read,
// until an operator replays or deletes them.
//
// It imports catalogue and the packages below it, and imaging. Begin with failed_image.go,
// where a failed image becomes a dead letter; consumer.go files what arrives in the broker's
// dead-letter queue. replay.go has the replays that clients start and replayer.go carries
// them out.
package deadletter
