package queue

import (
	"fmt"
	"math"

	amqp "github.com/rabbitmq/amqp091-go"
)

// deliveryLimit is how often the work queue delivers a message that was neither
// acknowledged nor rejected before it is dead-lettered. It is the net under
// messages that kill whoever takes them, and no count of attempts: on brokers
// before 4.3 each lost connection counts for every message it had been sent.
const deliveryLimit = 20

// names are what the topology's parts are called on the broker.
type names struct {
	work     string // quorum queue
	dead     string // quorum queue
	exchange string // fanout, from work to dead
	fence    string // routing key to which nothing is ever bound
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

// declare makes what is missing of the topology; what exists as it should be is
// left alone. It fails where a part exists with other properties.
func declare(ch *amqp.Channel, n names) error {
	const durable, autoDelete, internal, exclusive, noWait = true, false, false, false, false
	if err := ch.ExchangeDeclare(n.exchange, amqp.ExchangeFanout, durable, autoDelete, internal, noWait, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", n.exchange, err)
	}
	// A dead letter has nowhere to go from here, so the limit that newer brokers
	// set by themselves would delete it.
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
	// Dead-lettering is at least once only with this strategy, which in turn
	// wants this overflow behaviour.
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
