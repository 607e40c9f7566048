// Package event is the log of committed changes of products, and the means to wait for
// them. A change is written to the inbox in the transaction of the change itself. The
// [Sequencer] then gives it a position in the log, and the [Tailer] of every process
// distributes it to the process's subscriptions and watchers.
//
// It imports packages product and product/postgres.
//
// Begin with [Event] in event.go and numberEvents in log.go, which holds the order of the
// log; hub.go distributes events inside a process.
package event
