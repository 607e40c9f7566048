package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jmoiron/sqlx"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/postgres"
)

// formLifetime is how long a client may use a [Form].
const formLifetime = 15 * time.Minute

var (
	// ErrObjectStore reports that the object store is unreachable or refused a request.
	ErrObjectStore = errors.New("object store unavailable")
	// ErrTooLarge reports that a file is larger than MaxBytes.
	ErrTooLarge = errors.New("upload is too large")
)

// Objects is the part of the object store that stores uploads.
type Objects interface {
	// PresignPost returns a URL to which a file of 1 to limit bytes can be posted as
	// key until the given time, and the form fields that must precede the file. It
	// does no I/O.
	PresignPost(ctx context.Context, key string, limit int64, until time.Time) (url string, fields map[string]string, err error)
	// PutStream stores body, of any length, and holds only one part of it in memory.
	// After an error the object may or may not exist.
	PutStream(ctx context.Context, key, contentType string, body io.Reader) error
}

// Form lets a client upload one file directly to the object store. Source then names the
// file as the source of an image of the user's products.
type Form struct {
	Source  string // "upload:" followed by Key
	Key     string
	URL     string
	Fields  map[string]string // form fields that precede the file
	Expires time.Time         // UTC
}

// Service receives the files that clients upload. All methods are safe for concurrent use.
type Service struct {
	store    *postgres.DB
	objects  Objects
	maxBytes int64
}

// New returns a service for files of up to maxBytes bytes.
func New(store *postgres.DB, objects Objects, maxBytes int64) *Service {
	return &Service{store: store, objects: objects, maxBytes: maxBytes}
}

// MaxBytes returns the maximum size of a file in bytes.
func (u *Service) MaxBytes() int64 { return u.maxBytes }

// Presign reserves an upload of the user and returns the form with which the client sends
// the file to the object store. user may be 0 if the scope covers one user only. Errors:
// [*product.ValidationError], [product.ErrUnavailable], [ErrObjectStore].
func (u *Service) Presign(ctx context.Context, scope product.Scope, user int64) (Form, error) {
	own, one := scope.User()
	switch {
	case user == 0 && one:
		user = own
	case user == 0:
		return Form{}, product.Invalid("user_id", "required", "is required: an upload belongs to a user")
	case !scope.Covers(user):
		return Form{}, product.UnknownUser()
	}
	ref, err := u.reserve(ctx, user)
	if err != nil {
		return Form{}, err
	}
	key, expires := imaging.UploadKey(ref.User, ref.ID), time.Now().UTC().Add(formLifetime).Truncate(time.Second)
	url, fields, err := u.objects.PresignPost(ctx, key, u.maxBytes, expires)
	if err != nil {
		return Form{}, fmt.Errorf("presign upload: %w: %w", ErrObjectStore, err)
	}
	return Form{Source: product.UploadSource(ref.User, ref.ID), Key: key, URL: url, Fields: fields, Expires: expires}, nil
}

// Receive stores a file for a product's owner and returns the source that names it. A file
// whose first bytes are not those of a supported picture is refused before the rest is
// read. A file that no image names is deleted after a day. Errors of body are returned
// wrapped; others: [product.ErrNotFound] if the scope does not cover the product,
// [*product.ValidationError] for the field file, [ErrTooLarge], [product.ErrUnavailable],
// [ErrObjectStore].
func (u *Service) Receive(ctx context.Context, scope product.Scope, productID int64, body io.Reader) (source string, err error) {
	owner, err := u.owner(ctx, scope, productID)
	if err != nil {
		return "", err
	}
	limited := &limitedBody{body: body, left: u.maxBytes}
	head := make([]byte, 512)
	n, err := io.ReadFull(limited, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("read upload: %w", err)
	}
	format, err := imaging.Sniff(head[:n])
	if err != nil {
		return "", product.Invalid("file", string(imaging.CodeUnsupportedFormat), err.Error())
	}
	ref, err := u.reserve(ctx, owner)
	if err != nil {
		return "", err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), limited)
	err = u.objects.PutStream(ctx, imaging.UploadKey(ref.User, ref.ID), format.ContentType(), whole)
	switch {
	case limited.err != nil:
		return "", fmt.Errorf("read upload: %w", limited.err)
	case err != nil:
		return "", fmt.Errorf("store upload: %w: %w", ErrObjectStore, err)
	}
	return product.UploadSource(ref.User, ref.ID), nil
}

// owner returns the product's owner.
func (u *Service) owner(ctx context.Context, scope product.Scope, product int64) (owner int64, err error) {
	const q = `SELECT user_id FROM products WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR user_id = cast($2 AS bigint))`
	err = u.store.Get(ctx, "owner of product", &owner, q, product, scope.Owner())
	return owner, err
}

// reserve records an upload before its object exists. The sweeper deletes objects without
// a record.
func (u *Service) reserve(ctx context.Context, user int64) (product.UploadRef, error) {
	id, err := postgres.NewID()
	if err != nil {
		return product.UploadRef{}, err
	}
	ref := product.UploadRef{User: user, ID: id}
	return ref, u.store.InTx(ctx, "reserve upload", func(ctx context.Context, tx *sqlx.Tx) error {
		return insertUpload(ctx, tx, ref)
	})
}

// limitedBody reads a body of at most left bytes and records the error that ended it.
type limitedBody struct {
	body io.Reader
	left int64
	err  error // not io.EOF
}

// Read implements [io.Reader].
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	switch b.left -= int64(n); {
	case b.left < 0:
		b.err = ErrTooLarge
		return 0, b.err
	case err != nil && !errors.Is(err, io.EOF):
		b.err = err
	}
	return n, err
}
