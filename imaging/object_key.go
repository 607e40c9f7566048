package imaging

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// The prefixes of all keys in the bucket. Only variants are public.
//
//	products/<object key>/<sha256>/<variant>-<pipeline version>.<extension>
//	originals/<object key>/<sha256>
//	uploads/<user>/<upload>
//
// The object key is a random UUID of the product, so that keys cannot be guessed and are
// never used twice. The digest is that of the source, in lower-case hexadecimal.
const (
	VariantPrefix  = "products/"
	OriginalPrefix = "originals/"
	UploadPrefix   = "uploads/"
)

// UploadScheme starts the sources that name an upload. The key of the upload follows.
const UploadScheme = "upload:"

// VariantFolder returns the prefix of the keys of the variants that were made from
// one source of a product.
func VariantFolder(objectKey uuid.UUID, sha256sum string) string {
	return VariantPrefix + objectKey.String() + "/" + sha256sum + "/"
}

// VariantKey returns the key of a variant. object is its file name, such as main.jpg. The
// key contains a hash of the pipeline version, so that no key ever gets other content: a
// client that has downloaded an object may cache it for ever.
func VariantKey(objectKey uuid.UUID, sha256sum, object, pipelineVersion string) string {
	version := sha256.Sum256([]byte(pipelineVersion))
	name, extension, _ := strings.Cut(object, ".")
	return VariantFolder(objectKey, sha256sum) + name + "-" + hex.EncodeToString(version[:4]) + "." + extension
}

// OriginalKey returns the key under which the bytes of a downloaded source are kept
// until its image has been reprocessed.
func OriginalKey(objectKey uuid.UUID, sha256sum string) string {
	return OriginalPrefix + objectKey.String() + "/" + sha256sum
}

// UploadKey returns the key of a user's upload.
func UploadKey(user int64, upload uuid.UUID) string {
	return UploadPrefix + strconv.FormatInt(user, 10) + "/" + upload.String()
}

const (
	uuidPattern   = `([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`
	sha256Pattern = `([0-9a-f]{64})`
)

var (
	variantPattern  = regexp.MustCompile(`^` + VariantPrefix + uuidPattern + `/` + sha256Pattern + `/[^/]+$`)
	originalPattern = regexp.MustCompile(`^` + OriginalPrefix + uuidPattern + `/` + sha256Pattern + `$`)
)

// ParseVariantKey returns the object key of the product and the digest of the source that a
// variant's key names. ok is false for keys of any other form.
func ParseVariantKey(key string) (objectKey uuid.UUID, sha256sum string, ok bool) {
	return parseDigestKey(variantPattern, key)
}

// ParseOriginalKey is the inverse of [OriginalKey]. ok is false for keys of any
// other form.
func ParseOriginalKey(key string) (objectKey uuid.UUID, sha256sum string, ok bool) {
	return parseDigestKey(originalPattern, key)
}

func parseDigestKey(pattern *regexp.Regexp, key string) (objectKey uuid.UUID, sha256sum string, ok bool) {
	m := pattern.FindStringSubmatch(key)
	if m == nil {
		return uuid.Nil, "", false
	}
	return uuid.MustParse(m[1]), m[2], true
}

// ParseUploadKey is the inverse of [UploadKey]. ok is false for any other spelling:
// an upload has exactly one key.
func ParseUploadKey(key string) (user int64, upload uuid.UUID, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(key, UploadPrefix), "/")
	user, userErr := strconv.ParseInt(first, 10, 64)
	upload, uploadErr := uuid.Parse(second)
	return user, upload, userErr == nil && uploadErr == nil && user > 0 && UploadKey(user, upload) == key
}
