package event

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

// Type is what happened to a product.
type Type string

// The types of events. Those that begin with "image." report the new state of one image,
// set by a worker or a retry. Every other change by a client is an update.
const (
	ProductCreated  Type = "product.created"
	ProductUpdated  Type = "product.updated"
	ProductDeleted  Type = "product.deleted"
	ImagePending    Type = "image.pending" // waits for an attempt after a retry
	ImageProcessing Type = "image.processing"
	ImageReady      Type = "image.ready"
	ImageFailed     Type = "image.failed"
)

// Event is a committed change of a product. Every version of a product has one event,
// and the log has them in the order of the versions. Data is the JSON object that
// clients see; it must not be modified.
type Event struct {
	Position  int64 // in the log; increases by one with each event
	Type      Type
	ProductID int64
	UserID    int64
	Data      []byte
}

// Filter selects events. Nil fields select everything.
type Filter struct {
	ProductID *int64
	UserID    *int64
}

// selects reports whether the filter selects the event.
func (f Filter) selects(e *Event) bool {
	return (f.ProductID == nil || *f.ProductID == e.ProductID) && (f.UserID == nil || *f.UserID == e.UserID)
}

// Page is a part of the log. Events has the selected events up to Position; Last is the
// end of the log. Lost reports that events after the requested position have been
// purged, or that the position lies beyond the end of the log.
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

// wireEvent is the JSON of an event, with its fields in the order that clients see.
type wireEvent struct {
	Type        Type              `json:"type"`
	ProductID   int64             `json:"product_id"`
	UserID      int64             `json:"user_id"`
	Version     int64             `json:"version"`
	ImageID     *uuid.UUID        `json:"image_id,omitempty"`
	ImageStatus string            `json:"image_status,omitempty"`
	OccurredAt  product.Timestamp `json:"occurred_at"`
}

// events converts rows to events.
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
