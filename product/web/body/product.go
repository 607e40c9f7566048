package body

import "vitrine/product"

// The names of a product's fields.
const (
	fieldUserID      = "user_id"
	fieldName        = "product_name"
	fieldDescription = "product_description"
	fieldPrice       = "product_price"
	fieldImages      = "product_images"
	fieldMetadata    = "metadata"
	fieldExternalID  = "external_id"
)

// NewProduct decodes the body of POST /products. The error is a problem that names
// every bad field. Users may omit user_id, which is then their own.
func NewProduct(body []byte, scope product.Scope) (product.NewProduct, error) {
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

// Replacement decodes the body of PUT /products/{id}, which is that of a POST whose
// user_id is optional.
func Replacement(body []byte) (product.NewProduct, error) {
	o, p, err := decodeProduct(body, false)
	if err != nil {
		return product.NewProduct{}, err
	}
	if p.UserID != 0 {
		return p, o.verdict(p)
	}
	checked := p
	checked.UserID = maxNumber // any user, so that only the other fields are checked
	return p, o.verdict(checked)
}

// decodeProduct reads all fields of a product. owner says that user_id is required.
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
	// Null means absent for these: many encoders write it for empty values.
	p.Description, _ = o.text(fieldDescription)
	p.Images, _ = o.texts(fieldImages)
	p.ExternalID, _ = o.nonempty(fieldExternalID)
	metadata, _ := o.strings(fieldMetadata, false)
	p.Metadata = product.MetadataPatch{Keys: metadata}.Apply(nil)
	return o, p, nil
}

// nonempty reads an optional string member, which must not be empty: null stands for
// none.
func (o *object) nonempty(name string) (string, presence) {
	text, state := o.text(name)
	if state == given && text == "" {
		o.Fault(name, "required", "must not be empty; use null for none")
		return "", bad
	}
	return text, state
}

// ProductPatch decodes a merge patch of a product (RFC 7396): null empties the
// description, the images and the metadata and removes the external id and single keys
// of the metadata; the name and the price cannot be null.
func ProductPatch(body []byte) (product.Patch, error) {
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
