// Package queue publishes messages to a RabbitMQ work queue and consumes it and
// its dead-letter queue. It moves bytes and knows nothing of what they mean.
//
// A [Broker] runs one session after the other. A session is one life of three
// connections: one that declares the topology and answers questions about it,
// one that publishes and one that consumes, apart because a broker that is short
// of memory or disk stops reading from connections that publish. Whatever goes
// wrong with any of them ends the whole session, and a new one is built, with the
// topology declared first. No reconnection of a library is relied upon.
//
// Delivery is at least once: a message is published until the broker confirms
// that it is routed and stored, and it is delivered until it is acknowledged, so
// both may happen twice.
package queue
