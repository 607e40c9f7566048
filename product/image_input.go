package product

import (
	"fmt"

	"github.com/google/uuid"
)

// maxAlt bounds an image's alt text, in characters.
const maxAlt = 500

// ErrTooManyImages says that a product has as many images as it can. It is an
// [ErrConflict].
var ErrTooManyImages = fmt.Errorf("product has %d images: %w", MaxImages, ErrConflict)

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
	var f FieldErrors
	f.source("source", n.Source)
	return append(f, ImagePatch{Alt: n.Alt, Position: n.Position, Focal: n.Focal}.faults()...).Err()
}

// Validate gives a [*ValidationError] that names every bad field, or nil.
func (p ImagePatch) Validate() error { return p.faults().Err() }

func (p ImagePatch) faults() FieldErrors {
	var f FieldErrors
	if p.Alt != nil {
		f.CheckText("alt", *p.Alt, 0, maxAlt, true)
	}
	if p.Position != nil {
		f.CheckPosition(*p.Position, MaxImages-1)
	}
	f.focal(p.Focal)
	return f
}

// position checks a place among a product's images, of which last is the last one.
func (f *FieldErrors) CheckPosition(position, last int) {
	if position < 0 || position > last {
		f.Add("position", "out_of_range", "must be from 0 to %d", last)
	}
}
