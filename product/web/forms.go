package web

import (
	"errors"
	"fmt"

	"vitrine/product"
)

// The names of fields in bodies.
const (
	fieldUserID      = "user_id"
	fieldName        = "product_name"
	fieldDescription = "product_description"
	fieldPrice       = "product_price"
	fieldImages      = "product_images"
	fieldMetadata    = "metadata"
	fieldExternalID  = "external_id"
	fieldSource      = "source"
	fieldAlt         = "alt"
	fieldPosition    = "position"
	fieldFocal       = "focal"
	fieldFile        = "file"
)

// decodeNewProduct reads the body of POST /products. The error is a *problem that
// names every bad field. A user who creates one for itself need not say so.
func decodeNewProduct(body []byte, scope product.Scope) (product.NewProduct, error) {
	self, one := scope.User()
	o, p, err := decodeProduct(body, !one)
	if err != nil {
		return product.NewProduct{}, err
	}
	if _, state := o.member(fieldUserID); one && state == absent {
		p.UserID = self
	} else {
		o.require(fieldUserID, state)
	}
	return p, o.verdict(p)
}

// decodeReplacement reads the body of PUT /products/{id}, which is that of a POST
// whose owner may be left out.
func decodeReplacement(body []byte) (product.NewProduct, error) {
	o, p, err := decodeProduct(body, false)
	if err != nil {
		return product.NewProduct{}, err
	}
	if p.UserID != 0 {
		return p, o.verdict(p)
	}
	checked := p
	checked.UserID = maxNumber // anybody's, to be told of the other fields
	return p, o.verdict(checked)
}

// decodeProduct reads everything that clients write of a product. Its owner may
// have to be named.
func decodeProduct(body []byte, owner bool) (*object, product.NewProduct, error) {
	o, err := parseObject(body, fieldUserID, fieldName, fieldDescription, fieldPrice, fieldImages, fieldMetadata, fieldExternalID)
	if err != nil {
		return nil, product.NewProduct{}, err
	}
	var p product.NewProduct
	var state presence
	if p.UserID, state = o.number(fieldUserID); owner {
		o.require(fieldUserID, state)
	}
	p.Name, state = o.text(fieldName)
	o.require(fieldName, state)
	p.Price, state = o.price(fieldPrice)
	o.require(fieldPrice, state)
	// Null is as good as absent for these: many encoders write it for nothing.
	p.Description, _ = o.text(fieldDescription)
	p.Images, _ = o.texts(fieldImages)
	p.ExternalID, _ = o.nonempty(fieldExternalID)
	metadata, _ := o.strings(fieldMetadata, false)
	p.Metadata = product.MetadataPatch{Keys: metadata}.Apply(nil)
	return o, p, nil
}

// nonempty reads an optional string member. An empty one is refused: null stands for none.
func (o *object) nonempty(name string) (string, presence) {
	text, state := o.text(name)
	if state == given && text == "" {
		o.fault(name, "required", "must not be empty; null stands for none")
		return "", bad
	}
	return text, state
}

// decodePatch reads a merge patch of a product (RFC 7396): what is absent stays,
// null empties the description, the images and the metadata and removes the
// external id and single keys of the metadata, and a name or price cannot be null.
func decodePatch(body []byte) (product.Patch, error) {
	o, err := parseObject(body, fieldName, fieldDescription, fieldPrice, fieldImages, fieldMetadata, fieldExternalID)
	if err != nil {
		return product.Patch{}, err
	}
	var p product.Patch
	if name, state := o.text(fieldName); state == given {
		p.Name = &name
	} else if state == null {
		o.require(fieldName, state)
	}
	if price, state := o.price(fieldPrice); state == given {
		p.Price = &price
	} else if state == null {
		o.require(fieldPrice, state)
	}
	if description, state := o.text(fieldDescription); state == given || state == null {
		p.Description = &description
	}
	if images, state := o.texts(fieldImages); state == given || state == null {
		p.Images = &images
	}
	if metadata, state := o.strings(fieldMetadata, true); state == given || state == null {
		p.Metadata = &product.MetadataPatch{Clear: state == null, Keys: metadata}
	}
	if id, state := o.nonempty(fieldExternalID); state == given || state == null {
		p.ExternalID = &id
	}
	return p, o.verdict(p)
}

// decodeNewImage reads the JSON body of POST /products/{id}/images.
func decodeNewImage(body []byte) (product.NewImage, error) {
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

// decodeImagePatch reads a merge patch of an image (RFC 7396): null removes the alt
// text and the focal point, which is given whole, and a position cannot be null.
func decodeImagePatch(body []byte) (product.ImagePatch, error) {
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

// decodeNewUpload reads the body of POST /uploads.
func decodeNewUpload(body []byte) (user int64, err error) {
	o, err := parseObject(body, fieldUserID)
	if err != nil {
		return 0, err
	}
	user, _ = o.number(fieldUserID)
	if len(o.faults) > 0 {
		return 0, o.refusal()
	}
	return user, nil
}

// decodeNewUser reads the body of POST /users.
func decodeNewUser(body []byte) (product.NewUser, error) {
	o, err := parseObject(body, "name", "email")
	if err != nil {
		return product.NewUser{}, err
	}
	var u product.NewUser
	u.Name, _ = o.nonempty("name")
	u.Email, _ = o.nonempty("email")
	return u, o.verdict(u)
}

// verdict is nil, or the *problem that names every bad field: those that could
// not be read, and of those that could be the ones that the domain refuses.
func (o *object) verdict(input interface{ Validate() error }) error {
	if len(o.faults) == 0 {
		return nil // the service validates what it is given
	}
	var invalid *product.ValidationError
	if errors.As(input.Validate(), &invalid) {
		for _, f := range invalid.Fields {
			// Of a field that could not be read the domain saw a zero value; what
			// it says of that is not noted, since the field has a fault already.
			o.fault(f.Field, f.Code, f.Detail)
		}
	}
	return o.refusal()
}

// refusal is the *problem of the faults that were noted.
func (o *object) refusal() error {
	p := badFields(o.faults)
	if o.dropped > 0 {
		p.Detail = fmt.Sprintf("the body has invalid fields; errors names %d of them, %d more are left out", len(o.faults), o.dropped)
		p.Message = p.Detail
	}
	return p
}
