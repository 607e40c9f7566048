package body

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"vitrine/product"
	"vitrine/product/upload"
	"vitrine/product/web/problem"
)

const (
	// formOverhead is how much longer than its file a form may be, in bytes.
	formOverhead = 64 << 10
	// maxFormText is the longest text field of a form in bytes: an alt text needs
	// at most 2,000.
	maxFormText = 4 << 10
)

const fieldFile = "file"

// formFields are the names of a form's fields.
var formFields = []string{fieldFile, fieldAlt, fieldPosition, fieldFocal}

// ImageForm is a form with an image file. Its JSON identifies what it asks for.
type ImageForm struct {
	Source   string         `json:"-"`    // of the stored file
	Digest   []byte         `json:"file"` // SHA-256
	Alt      *string        `json:"alt,omitempty"`
	Position *int           `json:"position,omitempty"`
	Focal    *product.Focal `json:"focal,omitempty"`
}

// formReader is a form that is being read.
type formReader struct {
	body     io.Reader
	read     int64 // bytes, without those of the file that have been handed out
	maxFile  int64
	store    func(io.Reader) (source string, err error)
	form     ImageForm
	problems object // only its faults
}

// ReadForm decodes the body of POST /products/{id}/images with a file of at most
// maxFile bytes, which it passes to store as it arrives. The error is a problem, or
// that of store.
func ReadForm(w http.ResponseWriter, r *http.Request, maxFile int64, store func(io.Reader) (source string, err error)) (ImageForm, error) {
	f := &formReader{body: http.MaxBytesReader(w, r.Body, maxFile+formOverhead), maxFile: maxFile, store: store}
	parts, err := formParts(r.Header, f)
	if err != nil {
		return ImageForm{}, err
	}
	seen := map[string]bool{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return ImageForm{}, unreadableForm(err)
		}
		name := part.FormName()
		if seen[name] {
			f.problems.Fault(name, "duplicate_field", "must not be repeated")
			continue
		}
		if slices.Contains(formFields, name) {
			seen[name] = true
		}
		if err := f.readPart(name, part); err != nil {
			return ImageForm{}, err
		}
	}
	if !seen[fieldFile] {
		f.problems.Fault(fieldFile, "required", "is required")
	}
	return f.form, f.problems.Body()
}

// formParts returns a reader of the parts of a form.
func formParts(h http.Header, body io.Reader) (*multipart.Reader, error) {
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || params["boundary"] == "" || len(params["boundary"]) > 70 { // RFC 2046, section 5.1.1
		return nil, problem.New("malformed_form", "Content-Type must name the boundary between the form's parts")
	}
	return multipart.NewReader(body, params["boundary"]), nil
}

// Read reads the form's body. It fails with a problem if there is too much in it
// besides the file: package multipart accepts a part's header of up to 10 MiB.
func (f *formReader) Read(p []byte) (int, error) {
	if f.read > formOverhead {
		return 0, problem.New("body_too_large",
			fmt.Sprintf("the form must not have more than %d bytes besides its file", formOverhead)).With("Connection", "close")
	}
	n, err := f.body.Read(p)
	f.read += int64(n)
	return n, err
}

// fileContent is the content of the file. It keeps its digest and the error that ended
// reading, and does not count towards the form's overhead.
type fileContent struct {
	part io.Reader
	form *formReader
	sum  hash.Hash
	err  error
}

// Read implements [io.Reader].
func (c *fileContent) Read(p []byte) (int, error) {
	n, err := c.part.Read(p)
	c.form.read -= int64(n)
	c.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// readFile stores the file.
func (f *formReader) readFile(part io.Reader) (err error) {
	file := &fileContent{part: part, form: f, sum: sha256.New()}
	f.form.Source, err = f.store(file)
	switch {
	case errors.Is(err, upload.ErrTooLarge):
		return problem.New("file_too_large", fmt.Sprintf("the file must not be larger than %d bytes", f.maxFile)).With("Connection", "close")
	case err != nil && file.err != nil:
		return unreadableForm(file.err)
	}
	f.form.Digest = file.sum.Sum(nil)
	return err
}

// readPart reads one field of the form. An invalid form is answered with the faults of
// the fields before its file only; the rest is not read.
func (f *formReader) readPart(name string, part io.Reader) error {
	o := &f.problems
	switch name {
	case fieldFile:
		if o.Any() {
			return o.Body() // before a file is stored in vain
		}
		return f.readFile(part)
	case fieldAlt, fieldPosition, fieldFocal:
	default:
		o.unknown(name, formFields)
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(part, maxFormText+1))
	switch {
	case err != nil:
		return unreadableForm(err)
	case len(text) > maxFormText:
		o.Fault(name, "too_long", fmt.Sprintf("must not be longer than %d bytes", maxFormText))
	case !utf8.Valid(text):
		o.Fault(name, "invalid_characters", "must be valid UTF-8")
	case name == fieldAlt:
		alt := string(text)
		f.form.Alt = &alt
		o.Invalid(product.ImagePatch{Alt: &alt})
	case name == fieldFocal:
		f.form.Focal = o.focalText(name, text)
		o.Invalid(product.ImagePatch{Focal: f.form.Focal})
	default:
		f.form.Position = o.wholeText(name, string(text))
		o.Invalid(product.ImagePatch{Position: f.form.Position})
	}
	return nil
}

// wholeText reads a whole number from a form's text, nil if it has none.
func (o *object) wholeText(name, text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		o.Fault(name, "invalid", "must be a whole number")
		return nil
	}
	return &n
}

// unreadableForm returns the problem of a form that could not be read to its end.
func unreadableForm(err error) *problem.Error {
	var large *http.MaxBytesError
	p := unreadable(err)
	switch {
	case errors.As(err, &large):
		p.Say(fmt.Sprintf("the form must not be larger than %d bytes", large.Limit))
	case p.Code == "unreadable_body":
		p.Say("the form is incomplete or does not follow RFC 7578")
	}
	return p
}
