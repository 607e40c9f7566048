package product

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// maxAlt bounds an image's alt text, in characters.
const maxAlt = 500

// ErrTooManyImages says that a product has as many images as it can. It is an
// [ErrConflict].
var ErrTooManyImages = fmt.Errorf("product has %d images: %w", maxImages, ErrConflict)

// NewImage is what a client gives to add an image to a product.
type NewImage struct {
	Source   string  // http or https URL, or names an upload
	Alt      *string // what it shows, up to 500 characters; empty for mere decoration, nil for nothing said
	Position *int    // from 0; later images move on. Nil: behind the last
	Focal    *Focal  // what a crop is to show; nil for the centre
}

// ImagePatch changes an image. A nil field stays as it is.
type ImagePatch struct {
	Alt      *string
	NoAlt    bool // removes the alt text; Alt is nil then
	Position *int // the images between the old and the new one move
	Focal    *Focal
	NoFocal  bool // makes it the centre; Focal is nil then
}

// ImageSnapshot is an image as it is in one version of its product. Data is the
// JSON object that clients see; it must not be modified.
type ImageSnapshot struct {
	ID      uuid.UUID
	Version int64 // of the product
	Data    []byte
	Source  Source
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (n NewImage) Validate() error {
	var f faults
	f.source("source", n.Source)
	return append(f, ImagePatch{Alt: n.Alt, Position: n.Position, Focal: n.Focal}.faults()...).err()
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (p ImagePatch) Validate() error { return p.faults().err() }

func (p ImagePatch) faults() faults {
	var f faults
	if p.Alt != nil {
		f.text("alt", *p.Alt, 0, maxAlt, true)
	}
	if p.Position != nil {
		f.position(*p.Position, maxImages-1)
	}
	f.focal(p.Focal)
	return f
}

// position checks a place among a product's images, of which last is the last one.
func (f *faults) position(position, last int) {
	if position < 0 || position > last {
		f.add("position", "out_of_range", "must be from 0 to %d", last)
	}
}

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
		return once.keepImage(ctx, e.tx, added)
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
	inSource := func(pendingImage) string { return "source" }
	if err := nameUploads(ctx, e.tx, e.product.UserID, []pendingImage{image}, nil, inSource); err != nil {
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
