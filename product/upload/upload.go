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

// uploadWindow is how long a client may use what lets it upload a file directly.
const uploadWindow = 15 * time.Minute

var (
	// ErrObjectStore says that the object store is out of reach or refuses.
	ErrObjectStore = errors.New("object store unavailable")
	// ErrUploadTooLarge says that a file has more bytes than may be uploaded.
	ErrUploadTooLarge = errors.New("upload is too large")
)

// UploadObjects is where uploads are kept.
type Objects interface {
	// PresignPost gives an address to which anybody may post a file of 1 to
	// limit bytes as key until a time, and the form fields that have to come
	// before it. It does no I/O.
	PresignPost(ctx context.Context, key string, limit int64, until time.Time) (url string, fields map[string]string, err error)
	// PutStream stores what body gives, of any length, without holding more of
	// it than a part. After an error the object may be there or not.
	PutStream(ctx context.Context, key, contentType string, body io.Reader) error
}

// Upload is a place where a client may put one file, to name it as the source of
// an image of the user's products.
type Form struct {
	Source  string // upload: and the key
	Key     string
	URL     string
	Fields  map[string]string // of the form, in front of the file
	Expires time.Time         // UTC
}

// Uploads takes the files that clients send. All methods are safe for concurrent
// use.
type Service struct {
	store    *postgres.DB
	objects  Objects
	maxBytes int64
}

// NewUploads takes files of up to maxBytes bytes.
func New(store *postgres.DB, objects Objects, maxBytes int64) *Service {
	return &Service{store: store, objects: objects, maxBytes: maxBytes}
}

// MaxBytes is the size of the largest file.
func (u *Service) MaxBytes() int64 { return u.maxBytes }

// Presign makes a place for a file of the user's that the client sends to the
// object store itself. The user may be left out, as 0, where the scope is
// one user's. Errors: [*product.ValidationError], [product.ErrUnavailable], [ErrObjectStore].
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
	place, err := u.reserve(ctx, user)
	if err != nil {
		return Form{}, err
	}
	key, expires := imaging.UploadKey(place.User, place.ID), time.Now().UTC().Add(uploadWindow).Truncate(time.Second)
	url, fields, err := u.objects.PresignPost(ctx, key, u.maxBytes, expires)
	if err != nil {
		return Form{}, fmt.Errorf("presign upload: %w: %w", ErrObjectStore, err)
	}
	return Form{Source: product.UploadSource(place.User, place.ID), Key: key, URL: url, Fields: fields, Expires: expires}, nil
}

// Receive stores a file for a product's owner and gives the source that names it.
// What is no picture by its first bytes is refused before the rest is read. A file
// that no image names in the end goes away after a day. Errors of body are handed
// on; others: [product.ErrNotFound] where the scope has no such product, [*product.ValidationError]
// with the field file, [ErrUploadTooLarge], [product.ErrUnavailable], [ErrObjectStore].
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
	place, err := u.reserve(ctx, owner)
	if err != nil {
		return "", err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), limited)
	err = u.objects.PutStream(ctx, imaging.UploadKey(place.User, place.ID), format.ContentType(), whole)
	switch {
	case limited.err != nil:
		return "", fmt.Errorf("read upload: %w", limited.err)
	case err != nil:
		return "", fmt.Errorf("store upload: %w: %w", ErrObjectStore, err)
	}
	return product.UploadSource(place.User, place.ID), nil
}

// owner gives whose the product is.
func (u *Service) owner(ctx context.Context, scope product.Scope, product int64) (owner int64, err error) {
	const q = `SELECT user_id FROM products WHERE id = $1 AND (cast($2 AS bigint) IS NULL OR user_id = cast($2 AS bigint))`
	err = u.store.Get(ctx, "owner of product", &owner, q, product, scope.Owner())
	return owner, err
}

// reserve makes a place for a file: an object without one counts as left over.
func (u *Service) reserve(ctx context.Context, user int64) (product.UploadRef, error) {
	id, err := postgres.NewID()
	if err != nil {
		return product.UploadRef{}, err
	}
	place := product.UploadRef{User: user, ID: id}
	return place, u.store.InTx(ctx, "reserve upload", func(ctx context.Context, tx *sqlx.Tx) error {
		return insertUpload(ctx, tx, place)
	})
}

// limitedBody gives a body of left bytes at most, and remembers why it gave no
// more.
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
		b.err = ErrUploadTooLarge
		return 0, b.err
	case err != nil && !errors.Is(err, io.EOF):
		b.err = err
	}
	return n, err
}
