package body

import "vitrine/product"

// The names of an image's fields.
const (
	fieldSource   = "source"
	fieldAlt      = "alt"
	fieldPosition = "position"
	fieldFocal    = "focal"
)

// NewImage decodes the JSON body of POST /products/{id}/images.
func NewImage(body []byte) (product.NewImage, error) {
	o, err := parseObject(body, fieldSource, fieldAlt, fieldPosition, fieldFocal)
	if err != nil {
		return product.NewImage{}, err
	}
	var n product.NewImage
	var state presence
	n.Source, state = o.text(fieldSource)
	o.require(fieldSource, state)
	if alt, state := o.text(fieldAlt); state == given {
		n.Alt = &alt
	}
	if position, state := o.whole(fieldPosition); state == given {
		n.Position = &position
	}
	n.Focal, _ = o.focal(fieldFocal)
	return n, o.verdict(n)
}

// ImagePatch decodes a merge patch of an image (RFC 7396): null removes the alt text
// and the focal point, which is replaced as a whole; the position cannot be null.
func ImagePatch(body []byte) (product.ImagePatch, error) {
	o, err := parseObject(body, fieldAlt, fieldPosition, fieldFocal)
	if err != nil {
		return product.ImagePatch{}, err
	}
	var p product.ImagePatch
	switch alt, state := o.text(fieldAlt); state {
	case given:
		p.Alt = &alt
	case null:
		p.NoAlt = true
	}
	if position, state := o.whole(fieldPosition); state == given {
		p.Position = &position
	} else if state == null {
		o.require(fieldPosition, state)
	}
	focal, state := o.focal(fieldFocal)
	p.Focal, p.NoFocal = focal, state == null
	return p, o.verdict(p)
}

// UploadUser decodes the body of POST /uploads: the user whose upload it is, 0 if
// omitted.
func UploadUser(body []byte) (user int64, err error) {
	o, err := parseObject(body, fieldUserID)
	if err != nil {
		return 0, err
	}
	user, _ = o.number(fieldUserID)
	return user, o.Body()
}
