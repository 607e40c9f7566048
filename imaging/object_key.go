package imaging

import (
	"context"
	"io"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// The prefixes of all keys in the bucket. Only variants are public.
//
//	products/<product>/<sha256>/<variant>-<pipeline version>.<extension>
//	originals/<product>/<sha256>
//	uploads/<user>/<upload>
const (
	VariantPrefix  = "products/"
	OriginalPrefix = "originals/"
	UploadPrefix   = "uploads/"
)

// UploadScheme starts the sources that name an upload. The key of the upload follows.
const UploadScheme = "upload:"

// VariantFolder returns the prefix of the keys of the variants that were made from
// one source of a product.
func VariantFolder(product uuid.UUID, sha256 string) string {
	return VariantPrefix + product.String() + "/" + sha256 + "/"
}

// OriginalKey returns the key under which the bytes of a downloaded source are kept
// until its image has been reprocessed.
func OriginalKey(product uuid.UUID, sha256 string) string {
	return OriginalPrefix + product.String() + "/" + sha256
}

// UploadKey returns the key of a user's upload.
func UploadKey(user, upload uuid.UUID) string {
	return UploadPrefix + user.String() + "/" + upload.String()
}

const (
	uuidPattern   = `([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`
	sha256Pattern = `([0-9a-f]{64})`
)

var (
	variantPattern  = regexp.MustCompile(`^` + VariantPrefix + uuidPattern + `/` + sha256Pattern + `/[^/]+$`)
	originalPattern = regexp.MustCompile(`^` + OriginalPrefix + uuidPattern + `/` + sha256Pattern + `$`)
)

// ParseVariantKey returns the product and the digest of the source that a variant's
// key names. ok is false for keys of any other form.
func ParseVariantKey(key string) (product uuid.UUID, sha256 string, ok bool) {
	return parseDigestKey(variantPattern, key)
}

// ParseOriginalKey is the inverse of [OriginalKey]. ok is false for keys of any
// other form.
func ParseOriginalKey(key string) (product uuid.UUID, sha256 string, ok bool) {
	return parseDigestKey(originalPattern, key)
}

func parseDigestKey(pattern *regexp.Regexp, key string) (product uuid.UUID, sha256 string, ok bool) {
	m := pattern.FindStringSubmatch(key)
	if m == nil {
		return uuid.Nil, "", false
	}
	return uuid.MustParse(m[1]), m[2], true
}

// ParseUploadKey is the inverse of [UploadKey]. ok is false for any other spelling:
// an upload has exactly one key.
func ParseUploadKey(key string) (user, upload uuid.UUID, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(key, UploadPrefix), "/")
	user, userErr := uuid.Parse(first)
	upload, uploadErr := uuid.Parse(second)
	return user, upload, userErr == nil && uploadErr == nil && UploadKey(user, upload) == key
}

// UploadStore reads objects. Open returns the content, which is read under ctx and
// must be closed, and its size in bytes. It returns [io/fs.ErrNotExist] if the key has
// no object. Any other error means that the store is unavailable.
type UploadStore interface {
	Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)
}
