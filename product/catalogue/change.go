package catalogue

import (
	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/event"
)

// change is what a write tells the event log.
type change struct {
	event  event.Type
	image  uuid.NullUUID       // the one that the event is about
	images product.ImageStatus // of all
}

// changeOf compares the images before and after a write. Where just one of them
// has another state, the write was about it.
func changeOf(before, after []ImageRow) change {
	c := change{event: event.ProductUpdated, images: summarize(after)}
	if len(before) != len(after) {
		return c
	}
	var moved *ImageRow
	for i := range after {
		switch {
		case before[i].ID != after[i].ID:
			return c
		case before[i].Status == after[i].Status && before[i].Attempts == after[i].Attempts:
		case moved != nil:
			return c
		default:
			moved = &after[i]
		}
	}
	if moved != nil {
		c.event = event.Type("image." + string(moved.Status))
		c.image = uuid.NullUUID{UUID: moved.ID, Valid: true}
	}
	return c
}

// initialStatus is the state of images that have just been named.
func initialStatus(sources []string) product.ImageStatus {
	if len(sources) == 0 {
		return product.ImagesNone
	}
	return product.ImagesPending
}
