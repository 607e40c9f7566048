package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"strings"
)

const typeForm = "multipart/form-data"

func (r *request) form() bool { return strings.HasPrefix(r.header.Get("Content-Type"), typeForm) }

// smallPicture is the file of a form, unless the form is spoilt.
var smallPicture = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		panic(err) // impossible: it is written to memory
	}
	return b.Bytes()
}()

// writeForm writes the value as a form (RFC 7578), its file last.
func (w *worker) writeForm(r *request) {
	fields, _ := r.value.(map[string]any)
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, name := range sortedNames(fields) {
		if name != "file" {
			_ = form.WriteField(name, formText(fields[name])) // into memory
		}
	}
	if part, err := form.CreateFormFile("file", "a picture.png"); err == nil {
		_, _ = part.Write(smallPicture)
	}
	_ = form.Close()
	r.body = b.Bytes()
	r.header.Set("Content-Type", form.FormDataContentType())
}

// formText returns a value as a field of a form: JSON unless it is a single value.
func formText(value any) string {
	switch value.(type) {
	case map[string]any, []any, nil:
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // impossible: it came from JSON
		}
		return string(text)
	}
	return fmt.Sprint(value)
}

// spoilForm makes a form invalid.
func (w *worker) spoilForm(r *request) {
	body := r.body
	r.expect = refused
	switch w.rnd.IntN(6) {
	case 0:
		r.body, r.about = body[:w.rnd.IntN(len(body)-40)], "a form that breaks off"
	case 1:
		r.body, r.about = bytes.Replace(body, []byte(`name="file"`), []byte(`name="other"`), 1), "a form without a file"
	case 2:
		r.body, r.about = bytes.Replace(body, smallPicture, []byte("no picture"), 1), "a form with another file"
	case 3:
		r.header.Set("Content-Type", pick(w, typeForm, typeForm+"; boundary=", typeForm+"; boundary="+strings.Repeat("b", 80), typeForm+"; boundary=other"))
		r.about = "a form with another boundary"
	case 4:
		r.body, r.about = nil, "an empty form"
	default:
		changed := bytes.Clone(body)
		for range 1 + w.rnd.IntN(4) {
			changed[w.rnd.IntN(len(changed))] = byte(w.rnd.IntN(256))
		}
		r.body, r.about, r.expect = changed, "a form with other bytes", anything
	}
}
