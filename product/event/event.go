package event

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

// EventType says what happened to a product.
type Type string

// The types of events. One whose name begins with "image." is about the state of
// one image, by a worker or a retry; whatever else clients change is an update.
const (
	ProductCreated  Type = "product.created"
	ProductUpdated  Type = "product.updated"
	ProductDeleted  Type = "product.deleted"
	ImagePending    Type = "image.pending" // it waits for its first try again, or for its next
	ImageProcessing Type = "image.processing"
	ImageReady      Type = "image.ready"
	ImageFailed     Type = "image.failed"
)

// Event is a committed change of a product. There is one for each of its versions,
// in their order. Data is the JSON object that clients see; it must not be modified.
type Event struct {
	Position  int64 // in the log: grows by one with each event
	Type      Type
	ProductID int64
	UserID    int64
	Data      []byte
}

// EventFilter selects events. Nil fields select everything.
type Filter struct {
	ProductID *int64
	UserID    *int64
}

// selects reports whether the event is one of those asked for.
func (f Filter) selects(e *Event) bool {
	return (f.ProductID == nil || *f.ProductID == e.ProductID) && (f.UserID == nil || *f.UserID == e.UserID)
}

// EventPage is a part of the log. Events are those that were asked for, up to
// Position; Last is the end of the log. Lost says that events after the position
// that was asked for are not there any more, or that no log has ever had it.
type Page struct {
	Events   []*Event
	Position int64
	Last     int64
	Lost     bool
}

// eventRow is a row of events.
type eventRow struct {
	Position    int64          `db:"position"`
	Type        Type           `db:"type"`
	ProductID   int64          `db:"product_id"`
	UserID      int64          `db:"user_id"`
	Version     int64          `db:"version"`
	ImageID     uuid.NullUUID  `db:"image_id"`
	ImageStatus sql.NullString `db:"image_status"`
	OccurredAt  time.Time      `db:"occurred_at"`
}

// wireEvent is the JSON of an event, in the order that clients see.
type wireEvent struct {
	Type        Type              `json:"type"`
	ProductID   int64             `json:"product_id"`
	UserID      int64             `json:"user_id"`
	Version     int64             `json:"version"`
	ImageID     *uuid.UUID        `json:"image_id,omitempty"`
	ImageStatus string            `json:"image_status,omitempty"`
	OccurredAt  product.Timestamp `json:"occurred_at"`
}

// events gives the rows as clients see them.
func events(rows []eventRow) ([]*Event, error) {
	list := make([]*Event, len(rows))
	for i := range rows {
		r := &rows[i]
		w := wireEvent{
			Type: r.Type, ProductID: r.ProductID, UserID: r.UserID, Version: r.Version,
			ImageStatus: r.ImageStatus.String, OccurredAt: product.Timestamp(r.OccurredAt),
		}
		if r.ImageID.Valid {
			w.ImageID = &r.ImageID.UUID
		}
		data, err := json.Marshal(w)
		if err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		list[i] = &Event{Position: r.Position, Type: r.Type, ProductID: r.ProductID, UserID: r.UserID, Data: data}
	}
	return list, nil
}
