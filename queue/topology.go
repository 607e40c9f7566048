package queue

import (
	"fmt"
	"math"

	amqp "github.com/rabbitmq/amqp091-go"
)

// deliveryLimit is how often the work queue delivers an unsettled message before
// dead-lettering it. It catches messages that crash every consumer. It does not count
// attempts: before RabbitMQ 4.3 every lost connection counts as a delivery of each
// message that had been sent on it.
const deliveryLimit = 20

// names are the names of the topology's parts on the broker.
type names struct {
	work     string // quorum queue
	dead     string // quorum queue
	exchange string // fanout, from work to dead
	fence    string // routing key that no queue is ever bound to
}

func namesFor(prefix string) names {
	return names{
		work:     prefix + "images",
		dead:     prefix + "images.dead",
		exchange: prefix + "images.dlx",
		fence:    prefix + "images.fence",
	}
}

func (n names) longest() string { return n.fence }

// declare creates the missing parts of the topology. It returns an error if a part
// exists with other properties.
func declare(ch *amqp.Channel, n names) error {
	const durable, autoDelete, internal, exclusive, noWait = true, false, false, false, false
	if err := ch.ExchangeDeclare(n.exchange, amqp.ExchangeFanout, durable, autoDelete, internal, noWait, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", n.exchange, err)
	}
	// Newer brokers set a default delivery limit, which would delete messages here
	// because this queue has no dead-letter queue itself.
	dead := amqp.Table{
		"x-queue-type":     "quorum",
		"x-delivery-limit": int32(math.MaxInt32),
	}
	if _, err := ch.QueueDeclare(n.dead, durable, autoDelete, exclusive, noWait, dead); err != nil {
		return fmt.Errorf("declare queue %s: %w", n.dead, err)
	}
	if err := ch.QueueBind(n.dead, "", n.exchange, noWait, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", n.dead, err)
	}
	// Dead-lettering is at least once only with this strategy, which requires this
	// overflow behaviour.
	work := amqp.Table{
		"x-queue-type":           "quorum",
		"x-dead-letter-exchange": n.exchange,
		"x-dead-letter-strategy": "at-least-once",
		"x-overflow":             "reject-publish",
		"x-delivery-limit":       int32(deliveryLimit),
	}
	if _, err := ch.QueueDeclare(n.work, durable, autoDelete, exclusive, noWait, work); err != nil {
		return fmt.Errorf("declare queue %s: %w", n.work, err)
	}
	return nil
}
