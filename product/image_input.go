package product

import (
	"fmt"

	"github.com/google/uuid"
)

// maxAlt is the maximum length of an image's alt text, in characters.
const maxAlt = 500

// ErrTooManyImages reports that a product has the maximum number of images. It wraps
// [ErrConflict].
var ErrTooManyImages = fmt.Errorf("product has %d images: %w", MaxImages, ErrConflict)

// NewImage is the input that adds an image to a product.
type NewImage struct {
	Source   string  // http or https URL, or the source of an upload
	Alt      *string // what the image shows, up to 500 characters; empty for a decorative image, nil for none
	Position *int    // from 0; later images move up by one. Nil adds it after the last
	Focal    *Focal  // point that crops keep visible; nil for the centre
}

// ImagePatch changes an image. A nil field stays as it is.
type ImagePatch struct {
	Alt      *string
	NoAlt    bool // removes the alt text; Alt is nil then
	Position *int // images between the old and the new position move by one
	Focal    *Focal
	NoFocal  bool // resets the point to the centre; Focal is nil then
}

// ImageSnapshot is an image in one version of its product. Data is the JSON object that
// clients see; it must not be modified.
type ImageSnapshot struct {
	ID      uuid.UUID
	Version int64 // of the product
	Data    []byte
	Source  Source
}

// Validate returns a [*ValidationError] that lists every invalid field, or nil.
func (n NewImage) Validate() error {
	var f FieldErrors
	f.source("source", n.Source)
	return append(f, ImagePatch{Alt: n.Alt, Position: n.Position, Focal: n.Focal}.fieldErrors()...).Err()
}

// Validate returns a [*ValidationError] that lists every invalid field, or nil.
func (p ImagePatch) Validate() error { return p.fieldErrors().Err() }

func (p ImagePatch) fieldErrors() FieldErrors {
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

// CheckPosition checks the position of an image; last is the highest one allowed.
func (f *FieldErrors) CheckPosition(position, last int) {
	if position < 0 || position > last {
		f.Add("position", "out_of_range", "must be from 0 to %d", last)
	}
}

// Focal is the point of an image that crops keep visible. X and Y run from 0 at the left
// and top to 1 at the right and bottom; they are stored to a thousandth.
type Focal struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// focal checks a focal point; nil is valid.
func (f *FieldErrors) focal(p *Focal) {
	if p == nil {
		return
	}
	for i, v := range []float64{p.X, p.Y} {
		if v < 0 || v > 1 {
			f.Add([]string{"focal/x", "focal/y"}[i], "out_of_range", "must be from 0 to 1")
		}
	}
}
