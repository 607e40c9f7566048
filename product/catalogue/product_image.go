package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/outbox"
	"vitrine/product/postgres"
	"vitrine/product/upload"
)

// AddImageOnce adds an image, which is pending then, for a request that may be
// repeated: see [Service.CreateOnce]. Further errors: [product.ErrNotFound],
// [product.ErrPrecondition], [product.ErrTooManyImages].
func (s *Service) AddImageOnce(
	ctx context.Context, scope product.Scope, id int64, n product.NewImage, pre product.Precondition, once postgres.Idempotency,
) (added product.ImageSnapshot, replayed bool, err error) {
	if err := n.Validate(); err != nil {
		return product.ImageSnapshot{}, false, err
	}
	image, err := postgres.NewID()
	if err != nil {
		return product.ImageSnapshot{}, false, err
	}
	// The first answer is there also when the product has changed since, or is gone.
	if added, err = s.firstImage(ctx, once); err != nil || added.ID != uuid.Nil {
		return added, err == nil, err
	}
	_, err = s.Write(ctx, scope, id, "add image", func(ctx context.Context, e *Edit) error {
		first, err := once.Begin(ctx, e.Tx)
		if err != nil {
			return err
		}
		if replayed = first != nil; replayed {
			added, err = imageSnapshotOf(first)
			return err
		}
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		if err := e.addImage(ctx, image, n); err != nil {
			return err
		}
		if added, err = s.imageSnapshot(e, image); err != nil {
			return err
		}
		return keepImage(ctx, e.Tx, once, added)
	})
	if err != nil {
		return product.ImageSnapshot{}, false, err
	}
	return added, replayed, nil
}

// addImage puts a new image among those of the product.
func (e *Edit) addImage(ctx context.Context, id uuid.UUID, n product.NewImage) error {
	if len(e.Images) >= product.MaxImages {
		return product.ErrTooManyImages
	}
	image := pendingImage{ID: id, position: len(e.Images), source: n.Source, alt: postgres.NilToNull(n.Alt), focal: NewFocalRow(n.Focal)}
	if n.Position != nil {
		var f product.FieldErrors
		if f.CheckPosition(*n.Position, len(e.Images)); len(f) > 0 {
			return f.Err()
		}
		image.position = *n.Position
	}
	inSource := func(int) string { return "source" }
	if err := upload.Keep(ctx, e.Tx, e.Product.UserID, []string{n.Source}, nil, inSource); err != nil {
		return err
	}
	order := slices.Insert(e.order(), image.position, id)
	if err := e.arrange(ctx, order); err != nil {
		return err
	}
	if err := insertImages(ctx, e.Tx, e.Product.ID, []pendingImage{image}); err != nil {
		return err
	}
	e.Enqueue(id, 1, outbox.PriorityFirst)
	e.Changed = true
	return e.reload(ctx)
}

// PatchImage changes an image's alt text, its focal point and its place; the work
// done on it stays, but for the square crop round another point.
// A patch that changes nothing keeps the version. Errors: [product.ErrNotFound],
// [product.ErrPrecondition], [*product.ValidationError].
func (s *Service) PatchImage(
	ctx context.Context, scope product.Scope, id int64, image uuid.UUID, p product.ImagePatch, pre product.Precondition,
) (patched product.ImageSnapshot, err error) {
	if err := p.Validate(); err != nil {
		return product.ImageSnapshot{}, err
	}
	_, err = s.Write(ctx, scope, id, "patch image", func(ctx context.Context, e *Edit) error {
		if !e.Has(image) {
			return fmt.Errorf("image %s: %w", image, product.ErrNotFound)
		}
		if err := pre.Check(e.Product.Version); err != nil {
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

func (e *Edit) patchImage(ctx context.Context, image uuid.UUID, p product.ImagePatch) error {
	row := e.Image(image)
	if alt := postgres.NilToNull(p.Alt); (p.Alt != nil || p.NoAlt) && alt != row.Alt {
		const q = `UPDATE images SET alt = $2 WHERE id = $1`
		if _, err := e.Tx.ExecContext(ctx, q, image, alt); err != nil {
			return fmt.Errorf("alt text: %w", err)
		}
		e.Changed = true
	}
	if p.Focal != nil || p.NoFocal {
		if err := e.setFocal(ctx, row, p.Focal); err != nil {
			return err
		}
	}
	if p.Position != nil && *p.Position != row.Position {
		var f product.FieldErrors
		if f.CheckPosition(*p.Position, len(e.Images)-1); len(f) > 0 {
			return f.Err()
		}
		order := slices.Delete(e.order(), row.Position, row.Position+1)
		if err := e.arrange(ctx, slices.Insert(order, *p.Position, image)); err != nil {
			return err
		}
		e.Changed = true
	}
	return e.reload(ctx)
}

// DeleteImage removes an image and, later, its objects; the images behind it move
// up. It gives the product. Errors: [product.ErrNotFound], [product.ErrPrecondition].
func (s *Service) DeleteImage(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, pre product.Precondition) (product.Snapshot, error) {
	return s.Write(ctx, scope, id, "delete image", func(ctx context.Context, e *Edit) error {
		if !e.Has(image) {
			return fmt.Errorf("image %s: %w", image, product.ErrNotFound)
		}
		if err := pre.Check(e.Product.Version); err != nil {
			return err
		}
		if err := e.removeImages(ctx, []uuid.UUID{image}); err != nil {
			return err
		}
		order := slices.DeleteFunc(e.order(), func(id uuid.UUID) bool { return id == image })
		if err := e.arrange(ctx, order); err != nil {
			return err
		}
		e.Changed = true
		return e.reload(ctx)
	})
}

// Image gives an image of a product as [Service.GetAtLeast] gives the product, or
// [product.ErrNotFound] where the product has no such image.
func (s *Service) Image(ctx context.Context, scope product.Scope, id int64, image uuid.UUID, version int64) (product.ImageSnapshot, error) {
	found, err := s.GetAtLeast(ctx, scope, id, version)
	if err != nil {
		return product.ImageSnapshot{}, err
	}
	var productID struct {
		Images []json.RawMessage `json:"images"`
	}
	if err := json.Unmarshal(found.Data, &productID); err != nil {
		return product.ImageSnapshot{}, fmt.Errorf("product %d: %w", id, err)
	}
	for _, data := range productID.Images {
		var head struct {
			ID uuid.UUID `json:"id"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return product.ImageSnapshot{}, fmt.Errorf("image of product %d: %w", id, err)
		}
		if head.ID == image {
			return product.ImageSnapshot{ID: image, Version: found.Version, Data: data, Source: found.Source}, nil
		}
	}
	return product.ImageSnapshot{}, fmt.Errorf("image %s: %w", image, product.ErrNotFound)
}
