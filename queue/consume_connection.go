package queue

import (
	"context"
	"fmt"

	"github.com/wagslane/go-rabbitmq"
)

// consuming is the consuming connection of a session.
type consuming struct {
	link *link

	conn      *rabbitmq.Conn
	consumers []*rabbitmq.Consumer
}

// open connects and subscribes the consumers, whose handlers run with ctx.
func (c *consuming) open(ctx context.Context, urls []string, options func(*rabbitmq.ConnectionOptions),
	consumers []*consumer, s *session, log rabbitmq.Logger,
) error {
	var err error
	if c.conn, err = rabbitmq.NewClusterConn(rabbitmq.NewStaticResolver(urls, false), options); err != nil {
		return fmt.Errorf("connect to consume: %w", err)
	}
	if err := c.link.seal(); err != nil {
		return fmt.Errorf("connect to consume: %w", err)
	}
	for _, consumer := range consumers {
		opened, err := consumer.subscribe(ctx, c.conn, s, log)
		if err != nil {
			return err
		}
		c.consumers = append(c.consumers, opened)
	}
	return nil
}

// close closes the connection, which returns unsettled deliveries to the broker.
// Handlers that still run can settle nothing afterwards.
func (c *consuming) close() {
	c.link.close(func() {
		for _, consumer := range c.consumers {
			consumer.Close()
		}
		if c.conn != nil {
			_ = c.conn.Close() // an error means that it is already closed
		}
	})
}
