package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"vitrine/product"
	"vitrine/product/upload"
	"vitrine/product/web/access"
	"vitrine/product/web/admission"
	"vitrine/product/web/body"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// uploads stores files, and bounds the time and number of the requests that send one.
type uploads struct {
	to      *upload.Service
	timeout time.Duration
	forms   *admission.Permits
}

// uploadBody is the JSON of a prepared upload.
type uploadBody struct {
	Source  string            `json:"source"`
	Key     string            `json:"key"`
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires time.Time         `json:"expires_at"`
}

// createUpload prepares an upload that the client sends to the object store directly.
func (a *api) createUpload(w http.ResponseWriter, r *http.Request) error {
	if a.uploads.to == nil {
		return problem.New("no_such_route", "this service does not accept files")
	}
	data, err := body.Read(w, r, body.JSON)
	if err != nil {
		return err
	}
	user, err := body.UploadUser(data)
	if err != nil {
		return err
	}
	u, err := a.uploads.to.Presign(r.Context(), access.CallerOf(r).Scope, user)
	if err != nil {
		return err
	}
	return sendJSON(w, r, http.StatusCreated, uploadBody{u.Source, u.Key, u.URL, u.Fields, u.Expires}, "Upload prepared successfully")
}

// addUploadedImage stores the file of a form and adds it as an image. The request has
// more time than others, because the file may arrive over a slow connection.
func (a *api) addUploadedImage(w http.ResponseWriter, r *http.Request, id int64) error {
	if err := body.Uncompressed(r.Header); err != nil {
		return err
	}
	key, err := header.IdempotencyKey(r.Header)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	user := access.CallerOf(r).User()
	if !a.uploads.forms.Take(user) {
		return admission.NoPermit("too_many_uploads", "too many uploads in progress; retry later", admission.ShedUploads).
			With("Connection", "close") // the file is not read
	}
	defer a.uploads.forms.Return(user)
	admission.Release(r.Context())
	// Reading the body fails if the client disconnects.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.uploads.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline) // if the connection accepts none it is closed, and reading fails
	_ = control.SetWriteDeadline(deadline.Add(5 * time.Second))
	r = access.UnguardBody(r.WithContext(ctx))
	err = func() error { //nolint:contextcheck // r has the context
		f, err := body.ReadForm(w, r, a.uploads.to.MaxBytes(), func(file io.Reader) (string, error) {
			return a.uploads.to.Receive(r.Context(), access.CallerOf(r).Scope, id, file)
		})
		if err != nil {
			return err
		}
		if _, err := a.access.Check(r); err != nil { // the key may have expired meanwhile
			return err
		}
		text, err := json.Marshal(f) // with the file's digest in place of the file
		if err != nil {
			return fmt.Errorf("encode form: %w", err)
		}
		input := product.NewImage{Source: f.Source, Alt: f.Alt, Position: f.Position, Focal: f.Focal}
		return a.putImage(w, r, id, input, pre, a.once(r, key, text))
	}()
	if err != nil {
		return asProblem(ctx, err) // by this deadline, not the one that it replaces
	}
	return nil
}
