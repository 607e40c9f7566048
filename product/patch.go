package product

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// Patch changes a product. Images are matched by their URL, each as often as it
// stands in the list: an image whose URL stays keeps its id, state and work done,
// also at another position; the others are removed, and new URLs begin as
// pending. A patch that changes nothing keeps the version. Errors:
// [ErrNotFound], [ErrPrecondition], [ErrExternalIDTaken], [*ValidationError].
func (s *Service) Patch(ctx context.Context, scope Scope, id int64, p Patch, pre Precondition) (Snapshot, error) {
	if err := p.Validate(); err != nil {
		return Snapshot{}, err
	}
	return s.write(ctx, scope, id, "patch product", func(ctx context.Context, e *edit) error {
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		return e.apply(ctx, p)
	})
}

// apply makes the changes of a valid patch.
func (e *edit) apply(ctx context.Context, p Patch) error {
	row := &e.product
	if p.Name != nil && *p.Name != row.Name {
		row.Name, e.changed = *p.Name, true
	}
	if p.Description != nil && *p.Description != row.Description {
		row.Description, e.changed = *p.Description, true
	}
	// 1.50 instead of 1.5 is a difference that clients see.
	if p.Price != nil && p.Price.String() != row.Price.String() {
		row.Price, e.changed = *p.Price, true
	}
	if p.ExternalID != nil && *p.ExternalID != row.ExternalID.String {
		row.ExternalID, e.changed = null(*p.ExternalID), true
	}
	if err := e.setMetadata(p.Metadata); err != nil {
		return err
	}
	if p.Images == nil || slices.Equal(*p.Images, row.Images) {
		return nil
	}
	e.changed = true
	return e.setImages(ctx, *p.Images)
}

// setImages makes the product's images those of sources, in that order.
func (e *edit) setImages(ctx context.Context, sources []string) error {
	moves, added, removed := matchImages(e.images, sources)
	if err := nameListedUploads(ctx, e.tx, e.product.UserID, added, e.uploadsOf(removed)); err != nil {
		return err
	}
	if err := e.deleteImages(ctx, removed); err != nil {
		return err
	}
	if err := moveImages(ctx, e.tx, moves); err != nil {
		return err
	}
	for i := range added {
		id, err := newID()
		if err != nil {
			return err
		}
		added[i].id = id
		e.Enqueue(added[i].id, 1, PriorityFirst)
	}
	if err := insertImages(ctx, e.tx, e.product.ID, added); err != nil {
		return err
	}
	if err := e.reload(ctx); err != nil {
		return err
	}
	if len(e.images) != len(sources) {
		return fmt.Errorf("set images: %d instead of %d", len(e.images), len(sources))
	}
	return nil
}

// matchImages finds for every source the image that has it already, the first
// one first, and gives the new positions of those that move, the images to be
// added (without ids) and the ids of those that are left over.
func matchImages(images []imageRow, sources []string) (moves map[uuid.UUID]int, added []pendingImage, removed []uuid.UUID) {
	moves = make(map[uuid.UUID]int)
	bySource := make(map[string][]*imageRow)
	for i := range images {
		bySource[images[i].Source] = append(bySource[images[i].Source], &images[i])
	}
	for position, source := range sources {
		candidates := bySource[source]
		if len(candidates) == 0 {
			added = append(added, pendingImage{position: position, source: source})
			continue
		}
		if candidates[0].Position != position {
			moves[candidates[0].ID] = position
		}
		bySource[source] = candidates[1:]
	}
	for _, left := range bySource {
		for _, r := range left {
			removed = append(removed, r.ID)
		}
	}
	return moves, added, removed
}

// setMetadata changes the product's metadata. That a patch leaves it with too
// many keys can only be seen here.
func (e *edit) setMetadata(p *MetadataPatch) error {
	if p == nil {
		return nil
	}
	changed := p.Apply(e.product.Metadata)
	if maps.Equal(changed, e.product.Metadata) {
		return nil
	}
	var f faults
	if f.metadataKeys("metadata", changed); len(f) > 0 {
		return f.err()
	}
	e.product.Metadata, e.changed = changed, true
	return nil
}
