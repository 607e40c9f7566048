package product

import (
	"strings"

	"github.com/google/uuid"

	"vitrine/imaging"
)

// UploadSource returns the source of an image that is a user's upload.
func UploadSource(user int64, id uuid.UUID) string {
	return imaging.UploadScheme + imaging.UploadKey(user, id)
}

// UploadRef identifies an upload and the user it belongs to.
type UploadRef struct {
	User int64     `db:"user_id"`
	ID   uuid.UUID `db:"id"`
}

// ParseUploadSource is the inverse of [UploadSource]. It reports false for any other
// text: every upload has exactly one source.
func ParseUploadSource(source string) (UploadRef, bool) {
	user, id, ok := imaging.ParseUploadKey(strings.TrimPrefix(source, imaging.UploadScheme))
	return UploadRef{User: user, ID: id}, ok
}

// AddUnknownUpload adds the error of a source that refers to no upload of the product's
// owner.
func (f *FieldErrors) AddUnknownUpload(field string) {
	f.Add(field, "unknown_upload", "does not name an upload of the product's owner")
}
