// Package queue publishes messages to a RabbitMQ work queue and consumes that queue
// and its dead-letter queue.
//
// A [Broker] runs one session after another. A session has three connections: one
// declares and queries the topology, one publishes and one consumes. They are
// separate because a broker that is short of memory or disk stops reading from
// connections that publish. Any failure of a connection ends the whole session. The
// next session opens new connections and declares the topology first. The package
// does not use the reconnection of the client library.
//
// Delivery is at least once: a message is published until the broker confirms that
// it is routed and stored, and delivered until it is acknowledged. Both may happen
// more than once.
//
// The package does not interpret messages and imports no other package of the project.
// Begin reading with broker.go, then session.go (one life of the connections),
// publisher.go with publish_batch.go, and consumer.go.
package queue
