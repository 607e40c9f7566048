package product

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// AddImageOnce adds an image, which is pending then, for a request that may be
// repeated: see [Service.CreateOnce]. Further errors: [ErrNotFound],
// [ErrPrecondition], [ErrTooManyImages].
func (s *Service) AddImageOnce(
	ctx context.Context, scope Scope, id int64, n NewImage, pre Precondition, once Idempotency,
) (added ImageSnapshot, replayed bool, err error) {
	if err := n.Validate(); err != nil {
		return ImageSnapshot{}, false, err
	}
	image, err := newID()
	if err != nil {
		return ImageSnapshot{}, false, err
	}
	// The first answer is there also when the product has changed since, or is gone.
	if added, err = s.firstImage(ctx, once); err != nil || added.ID != uuid.Nil {
		return added, err == nil, err
	}
	_, err = s.write(ctx, scope, id, "add image", func(ctx context.Context, e *edit) error {
		first, err := once.begin(ctx, e.tx)
		if err != nil {
			return err
		}
		if replayed = first != nil; replayed {
			added, err = imageSnapshotOf(first)
			return err
		}
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		if err := e.addImage(ctx, image, n); err != nil {
			return err
		}
		if added, err = s.imageSnapshot(e, image); err != nil {
			return err
		}
		return keepImage(ctx, e.tx, once, added)
	})
	if err != nil {
		return ImageSnapshot{}, false, err
	}
	return added, replayed, nil
}

// addImage puts a new image among those of the product.
func (e *edit) addImage(ctx context.Context, id uuid.UUID, n NewImage) error {
	if len(e.images) >= maxImages {
		return ErrTooManyImages
	}
	image := pendingImage{id: id, position: len(e.images), source: n.Source, alt: optional(n.Alt), focal: newFocalRow(n.Focal)}
	if n.Position != nil {
		var f faults
		if f.position(*n.Position, len(e.images)); len(f) > 0 {
			return f.err()
		}
		image.position = *n.Position
	}
	inSource := func(int) string { return "source" }
	if err := nameUploads(ctx, e.tx, e.product.UserID, []string{n.Source}, nil, inSource); err != nil {
		return err
	}
	order := slices.Insert(e.order(), image.position, id)
	if err := e.arrange(ctx, order); err != nil {
		return err
	}
	if err := insertImages(ctx, e.tx, e.product.ID, []pendingImage{image}); err != nil {
		return err
	}
	e.Enqueue(id, 1, PriorityFirst)
	e.changed = true
	return e.reload(ctx)
}

// PatchImage changes an image's alt text, its focal point and its place; the work
// done on it stays, but for the square crop round another point.
// A patch that changes nothing keeps the version. Errors: [ErrNotFound],
// [ErrPrecondition], [*ValidationError].
func (s *Service) PatchImage(
	ctx context.Context, scope Scope, id int64, image uuid.UUID, p ImagePatch, pre Precondition,
) (patched ImageSnapshot, err error) {
	if err := p.Validate(); err != nil {
		return ImageSnapshot{}, err
	}
	_, err = s.write(ctx, scope, id, "patch image", func(ctx context.Context, e *edit) error {
		if !e.has(image) {
			return fmt.Errorf("image %s: %w", image, ErrNotFound)
		}
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		if err := e.patchImage(ctx, image, p); err != nil {
			return err
		}
		patched, err = s.imageSnapshot(e, image)
		return err
	})
	return patched, err
}

func (e *edit) patchImage(ctx context.Context, image uuid.UUID, p ImagePatch) error {
	row := e.Image(image)
	if alt := optional(p.Alt); (p.Alt != nil || p.NoAlt) && alt != row.Alt {
		const q = `UPDATE images SET alt = $2 WHERE id = $1`
		if _, err := e.tx.ExecContext(ctx, q, image, alt); err != nil {
			return fmt.Errorf("alt text: %w", err)
		}
		e.changed = true
	}
	if p.Focal != nil || p.NoFocal {
		if err := e.setFocal(ctx, row, p.Focal); err != nil {
			return err
		}
	}
	if p.Position != nil && *p.Position != row.Position {
		var f faults
		if f.position(*p.Position, len(e.images)-1); len(f) > 0 {
			return f.err()
		}
		order := slices.Delete(e.order(), row.Position, row.Position+1)
		if err := e.arrange(ctx, slices.Insert(order, *p.Position, image)); err != nil {
			return err
		}
		e.changed = true
	}
	return e.reload(ctx)
}

// DeleteImage removes an image and, later, its objects; the images behind it move
// up. It gives the product. Errors: [ErrNotFound], [ErrPrecondition].
func (s *Service) DeleteImage(ctx context.Context, scope Scope, id int64, image uuid.UUID, pre Precondition) (Snapshot, error) {
	return s.write(ctx, scope, id, "delete image", func(ctx context.Context, e *edit) error {
		if !e.has(image) {
			return fmt.Errorf("image %s: %w", image, ErrNotFound)
		}
		if err := pre.check(e.product.Version); err != nil {
			return err
		}
		if err := e.removeImages(ctx, []uuid.UUID{image}); err != nil {
			return err
		}
		order := slices.DeleteFunc(e.order(), func(id uuid.UUID) bool { return id == image })
		if err := e.arrange(ctx, order); err != nil {
			return err
		}
		e.changed = true
		return e.reload(ctx)
	})
}

// Image gives an image of a product as [Service.GetAtLeast] gives the product, or
// [ErrNotFound] where the product has no such image.
func (s *Service) Image(ctx context.Context, scope Scope, id int64, image uuid.UUID, version int64) (ImageSnapshot, error) {
	found, err := s.GetAtLeast(ctx, scope, id, version)
	if err != nil {
		return ImageSnapshot{}, err
	}
	var product struct {
		Images []json.RawMessage `json:"images"`
	}
	if err := json.Unmarshal(found.Data, &product); err != nil {
		return ImageSnapshot{}, fmt.Errorf("product %d: %w", id, err)
	}
	for _, data := range product.Images {
		var head struct {
			ID uuid.UUID `json:"id"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return ImageSnapshot{}, fmt.Errorf("image of product %d: %w", id, err)
		}
		if head.ID == image {
			return ImageSnapshot{ID: image, Version: found.Version, Data: data, Source: found.Source}, nil
		}
	}
	return ImageSnapshot{}, fmt.Errorf("image %s: %w", image, ErrNotFound)
}
