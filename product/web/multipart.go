package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"vitrine/product"
)

const (
	typeForm = "multipart/form-data" // RFC 7578
	// formOverhead is how much longer than its file a form may be, in bytes.
	formOverhead = 64 << 10
	// maxFormText is the longest text field of a form in bytes: an alt text needs
	// 2,000 at most.
	maxFormText = 4 << 10
)

// formFields are the names of a form's fields.
var formFields = []string{fieldFile, fieldAlt, fieldPosition, fieldFocal}

// imageForm is a form with a picture in it. Its JSON says all that it asks for.
type imageForm struct {
	source string // of the stored file

	Digest   []byte  `json:"file"` // SHA-256
	Alt      *string `json:"alt,omitempty"`
	Position *int    `json:"position,omitempty"`

	Focal *product.Focal `json:"focal,omitempty"`
}

// readForm takes a form apart and stores its file on the way: it is never held as
// a whole. The error is a *problem, or one of the service's.
func (a *api) readForm(w http.ResponseWriter, r *http.Request, id int64) (imageForm, error) {
	body := &formBody{body: http.MaxBytesReader(w, r.Body, a.uploads.to.MaxBytes()+formOverhead)}
	parts, err := formParts(r.Header, body)
	if err != nil {
		return imageForm{}, err
	}
	var f imageForm
	o := &object{} // of the faults
	seen := map[string]bool{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return imageForm{}, a.unreadableForm(err)
		}
		name := part.FormName()
		if seen[name] {
			o.fault(name, "duplicate_field", "is given more than once")
			continue
		}
		if slices.Contains(formFields, name) {
			seen[name] = true
		}
		if err := a.readPart(r, id, &f, o, name, body.content(name, part)); err != nil {
			return imageForm{}, err
		}
	}
	if !seen[fieldFile] {
		o.fault(fieldFile, "required", "is required")
	}
	if len(o.faults) > 0 {
		return imageForm{}, o.refusal()
	}
	return f, nil
}

// formParts gives the parts of a form.
func formParts(h http.Header, body io.Reader) (*multipart.Reader, error) {
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || params["boundary"] == "" || len(params["boundary"]) > 70 { // RFC 2046, section 5.1.1
		return nil, badRequest("malformed_form", "Content-Type must name the boundary of the form's parts")
	}
	return multipart.NewReader(body, params["boundary"]), nil
}

// formBody is the body of a form. It ends with a *problem where there is too much in
// it besides the file: a part may have a header of 10 MiB for all that package
// multipart cares.
type formBody struct {
	body io.Reader
	read int64 // bytes, less those of the file that have been given out
}

// Read implements [io.Reader].
func (b *formBody) Read(p []byte) (int, error) {
	if b.read > formOverhead {
		return 0, newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("the form has more than %d bytes besides its file", formOverhead)).with("Connection", "close")
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	return n, err
}

// content is what the part of this name holds, not counted where that is the file.
func (b *formBody) content(name string, part io.Reader) io.Reader {
	if name != fieldFile {
		return part
	}
	return &fileContent{part, b}
}

type fileContent struct {
	part io.Reader
	form *formBody
}

// Read implements [io.Reader].
func (c *fileContent) Read(p []byte) (int, error) {
	n, err := c.part.Read(p)
	c.form.read -= int64(n)
	return n, err
}

// readPart reads one field of the form. Of an unusable form only the faults of the
// fields before its file are told: what comes after it is read no more.
func (a *api) readPart(r *http.Request, id int64, f *imageForm, o *object, name string, part io.Reader) (err error) {
	switch name {
	case fieldFile:
		if len(o.faults) > 0 {
			return o.refusal() // before a file is stored in vain
		}
		f.source, f.Digest, err = a.receive(r, id, part)
		return err
	case fieldAlt, fieldPosition, fieldFocal:
	default:
		o.unknown(name, formFields)
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(part, maxFormText+1))
	switch {
	case err != nil:
		return a.unreadableForm(err)
	case len(text) > maxFormText:
		o.fault(name, "too_long", fmt.Sprintf("must have at most %d bytes", maxFormText))
	case !utf8.Valid(text):
		o.fault(name, "invalid_characters", "must be valid UTF-8")
	case name == fieldAlt:
		alt := string(text)
		f.Alt = &alt
		o.refuse(product.ImagePatch{Alt: f.Alt})
	case name == fieldFocal:
		f.Focal = o.focalText(name, text)
		o.refuse(product.ImagePatch{Focal: f.Focal})
	default:
		f.Position = o.wholeText(name, string(text))
		o.refuse(product.ImagePatch{Position: f.Position})
	}
	return nil
}

// wholeText reads a whole number from a form's text, nil where it is none.
func (o *object) wholeText(name, text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		o.fault(name, "invalid", "must be a whole number")
		return nil
	}
	return &n
}

// refuse notes what the domain finds wrong.
func (o *object) refuse(input interface{ Validate() error }) {
	var invalid *product.ValidationError
	if errors.As(input.Validate(), &invalid) {
		for _, f := range invalid.Fields {
			o.fault(f.Field, f.Code, f.Detail)
		}
	}
}

// unreadableForm says why a form could not be read to its end.
func (a *api) unreadableForm(err error) *problem {
	var large *http.MaxBytesError
	p := unreadable(err)
	switch {
	case errors.As(err, &large):
		p.Detail = fmt.Sprintf("the form is larger than %d bytes", large.Limit)
		p.Message = p.Detail
	case p.Code == "unreadable_body":
		p.Detail = "the form breaks off or is not made as RFC 7578 says"
		p.Message = p.Detail
	}
	return p
}
