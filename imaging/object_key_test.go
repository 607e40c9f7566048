package imaging_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"vitrine/imaging"
)

func TestObjectKeys(t *testing.T) {
	t.Parallel()
	objectKey, digest := uuid.New(), strings.Repeat("0123456789abcdef", 4)
	main := imaging.VariantKey(objectKey, digest, "main.jpg", "1")
	if !strings.HasPrefix(main, imaging.VariantFolder(objectKey, digest)+"main-") || !strings.HasSuffix(main, ".jpg") {
		t.Errorf("key of a variant: %s", main)
	}
	if other := imaging.VariantKey(objectKey, digest, "main.jpg", "2"); other == main {
		t.Errorf("two pipeline versions share the key %s", main)
	}
	if key, sum, ok := imaging.ParseVariantKey(main); !ok || key != objectKey || sum != digest {
		t.Errorf("%s is parsed as %s, %s, %v", main, key, sum, ok)
	}
	original := imaging.OriginalKey(objectKey, digest)
	if key, sum, ok := imaging.ParseOriginalKey(original); !ok || key != objectKey || sum != digest {
		t.Errorf("%s is parsed as %s, %s, %v", original, key, sum, ok)
	}
	id := uuid.New()
	upload := imaging.UploadKey(23, id)
	if user, got, ok := imaging.ParseUploadKey(upload); !ok || user != 23 || got != id {
		t.Errorf("%s is parsed as %d, %s, %v", upload, user, got, ok)
	}
	for _, key := range []string{
		"", "products/", main + "/x", strings.TrimSuffix(main, "x") + "/", imaging.VariantFolder(objectKey, digest),
		strings.ToUpper(main), strings.Replace(main, "products/", "other/", 1), strings.Replace(main, digest, digest[1:], 1),
	} {
		if _, _, ok := imaging.ParseVariantKey(key); ok {
			t.Errorf("%q counts as the key of a variant", key)
		}
	}
	for _, key := range []string{"", "originals/", original + "/", original + "0", main, strings.ToUpper(original)} {
		if _, _, ok := imaging.ParseOriginalKey(key); ok {
			t.Errorf("%q counts as the key of an original", key)
		}
	}
	for _, key := range []string{
		"", "uploads/", upload + "/", "uploads/023/" + id.String(), "uploads/0/" + id.String(), "uploads/-1/" + id.String(),
		"uploads/x/" + id.String(), strings.ToUpper(upload), "uploads/23/" + strings.ReplaceAll(id.String(), "-", ""), "uploads/23",
	} {
		if _, _, ok := imaging.ParseUploadKey(key); ok {
			t.Errorf("%q counts as the key of an upload", key)
		}
	}
}
