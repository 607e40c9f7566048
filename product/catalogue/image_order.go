package catalogue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"vitrine/product"
	"vitrine/product/postgres"
)

// order returns the ids of the product's images in their order.
func (e *Edit) order() []uuid.UUID {
	ids := make([]uuid.UUID, len(e.Images))
	for i := range e.Images {
		ids[i] = e.Images[i].ID
	}
	return ids
}

// arrange moves images to their positions in order. An image that the product does not have
// yet, or no longer has, leaves its position free.
func (e *Edit) arrange(ctx context.Context, order []uuid.UUID) error {
	moves := map[uuid.UUID]int{}
	for position, id := range order {
		if row := e.Image(id); row != nil && row.Position != position {
			moves[id] = position
		}
	}
	return moveImages(ctx, e.Tx, moves)
}

// Image returns the row of an image of the product, or nil.
func (e *Edit) Image(id uuid.UUID) *ImageRow {
	for i := range e.Images {
		if e.Images[i].ID == id {
			return &e.Images[i]
		}
	}
	return nil
}

// SetImage updates the image in [Edit.Images] to its new row.
func (e *Edit) SetImage(row ImageRow) {
	for i := range e.Images {
		if e.Images[i].ID == row.ID {
			e.Images[i] = row
		}
	}
}

// imageSnapshot returns an image in the version that the edit leads to. The lock excludes
// other versions in between.
func (s *Service) imageSnapshot(e *Edit, image uuid.UUID) (product.ImageSnapshot, error) {
	row := e.Image(image)
	if row == nil {
		return product.ImageSnapshot{}, fmt.Errorf("image %s is missing after the change", image)
	}
	version := e.Product.Version
	if e.Changed {
		version++
	}
	data, err := encodeJSON(s.wireImage(row))
	return product.ImageSnapshot{ID: image, Version: version, Data: data}, err
}

// imageAnswer is an image as stored with an idempotency key.
type imageAnswer struct {
	ID      uuid.UUID       `json:"id"`
	Version int64           `json:"version"`
	Image   json.RawMessage `json:"image"`
}

// keepImage stores an added image as the answer to its request.
func keepImage(ctx context.Context, tx *sqlx.Tx, once postgres.Idempotency, added product.ImageSnapshot) error {
	// json.Marshal would escape characters that encodeJSON leaves alone.
	answer, err := encodeJSON(imageAnswer{added.ID, added.Version, added.Data})
	if err != nil {
		return err
	}
	return once.Keep(ctx, tx, answer)
}

// imageSnapshotOf decodes an answer stored by keepImage.
func imageSnapshotOf(answer []byte) (product.ImageSnapshot, error) {
	var kept imageAnswer
	if err := json.Unmarshal(answer, &kept); err != nil {
		return product.ImageSnapshot{}, fmt.Errorf("decode stored image: %w", err)
	}
	return product.ImageSnapshot{ID: kept.ID, Version: kept.Version, Data: kept.Image}, nil
}

// firstImage returns the image that the first request with the key added, or the zero value
// if there was no such request.
func (s *Service) firstImage(ctx context.Context, once postgres.Idempotency) (first product.ImageSnapshot, err error) {
	answer, err := s.store.FirstAnswer(ctx, once)
	if err != nil || answer == nil {
		return product.ImageSnapshot{}, err
	}
	return imageSnapshotOf(answer)
}
