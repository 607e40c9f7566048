package product

import (
	"strings"

	"github.com/google/uuid"

	"vitrine/imaging"
)

// uploadSource returns the source with which an image names a user's upload.
func UploadSource(user int64, id uuid.UUID) string {
	return imaging.UploadScheme + imaging.UploadKey(user, id)
}

// upload is what a source names.
type UploadRef struct {
	User int64     `db:"user_id"`
	ID   uuid.UUID `db:"id"`
}

// parseUploadSource is the inverse of uploadSource. It reports false for any other
// spelling: an upload has exactly one source.
func ParseUploadSource(source string) (UploadRef, bool) {
	user, id, ok := imaging.ParseUploadKey(strings.TrimPrefix(source, imaging.UploadScheme))
	return UploadRef{User: user, ID: id}, ok
}

func (f *FieldErrors) AddUnknownUpload(field string) {
	f.Add(field, "unknown_upload", "names no upload of the product's owner")
}
