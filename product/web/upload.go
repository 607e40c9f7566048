package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"vitrine/product"
)

// uploads is where files go, how long a request that brings one may take, and how
// many such requests there are at once.
type uploads struct {
	to      Uploads
	timeout time.Duration
	forms   *slots
}

// uploadBody is a place for a file on the wire.
type uploadBody struct {
	Source  string            `json:"source"`
	Key     string            `json:"key"`
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires time.Time         `json:"expires_at"`
}

// createUpload lets the client send a file to the object store itself.
func (a *api) createUpload(w http.ResponseWriter, r *http.Request) error {
	if a.uploads.to == nil {
		return newProblem(http.StatusNotFound, "no_such_route", "this service takes no files")
	}
	body, err := readBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	user, err := decodeNewUpload(body)
	if err != nil {
		return err
	}
	u, err := a.uploads.to.Presign(r.Context(), a.access.scope(r), user)
	if err != nil {
		return err
	}
	data, err := json.Marshal(uploadBody{u.Source, u.Key, u.URL, u.Fields, u.Expires})
	if err != nil {
		return fmt.Errorf("encode upload: %w", err)
	}
	send(w, r, http.StatusCreated, data, "Upload prepared successfully")
	return nil
}

// addUploadedImage stores the file of a form and adds it as an image. The request
// has more time than others: the picture may come over a slow line.
func (a *api) addUploadedImage(w http.ResponseWriter, r *http.Request, id int64) error {
	if compressed(r.Header) {
		return unsupportedEncoding()
	}
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	who := callerOf(r.Context())
	if !a.uploads.forms.take(who) {
		return crowded("too_many_uploads", "there are as many uploads as this process takes, or takes from you; try again later", shedUploads).
			with("Connection", "close") // the file is not worth being read
	}
	defer a.uploads.forms.free(who)
	leavePlace(r.Context())
	// Who has gone away is noticed by reading the body.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.uploads.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline) // where the connection takes none any more it is closed, and reading says so
	_ = control.SetWriteDeadline(deadline.Add(5 * time.Second))
	r = unguarded(r.WithContext(ctx))
	err = func() error {
		f, err := a.readForm(w, r, id)
		if err != nil {
			return err
		}
		if _, err := a.access.check(r); err != nil { // the key may have ended meanwhile
			return err
		}
		body, err := json.Marshal(f) // the file's digest in the place of the file
		if err != nil {
			return fmt.Errorf("encode form: %w", err)
		}
		input := product.NewImage{Source: f.source, Alt: f.Alt, Position: f.Position, Focal: f.Focal}
		return a.putImage(w, r, id, input, pre, a.once(r, key, body))
	}()
	if err != nil {
		return asProblem(ctx, err) // by this deadline, not the one that it has replaced
	}
	return nil
}

// receive stores the file that is read from part and gives the source that names it.
func (a *api) receive(r *http.Request, id int64, part io.Reader) (source string, sum []byte, err error) {
	file := &fileBody{part: part, sum: sha256.New()}
	source, err = a.uploads.to.Receive(r.Context(), a.access.scope(r), id, file)
	switch {
	case errors.Is(err, product.ErrUploadTooLarge):
		return "", nil, newProblem(http.StatusRequestEntityTooLarge, "file_too_large",
			fmt.Sprintf("the file is larger than %d bytes", a.uploads.to.MaxBytes())).with("Connection", "close")
	case err != nil && file.err != nil:
		return "", nil, a.unreadableForm(file.err)
	}
	return source, file.sum.Sum(nil), err
}

// fileBody is the content of a file, with its digest and what went wrong while it
// was read.
type fileBody struct {
	part io.Reader
	sum  hash.Hash
	err  error
}

// Read implements [io.Reader].
func (b *fileBody) Read(p []byte) (int, error) {
	n, err := b.part.Read(p)
	b.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}
