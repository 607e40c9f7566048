package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

var (
	// ErrInvalidKey says that an API key opens nothing: there is no such key, or it
	// has expired or been revoked.
	ErrInvalidKey = errors.New("invalid API key")
	// ErrTooManyKeys says that the user has as many valid API keys as are allowed.
	// It is an [product.ErrConflict].
	ErrTooManyKeys = fmt.Errorf("too many API keys: %w", product.ErrConflict)
)

// KeyMark is what every API key begins with.
const KeyMark = "vit_"

// A key is its mark, 256 random bits and a checksum of both, in digits and letters
// (base 62), so that a double click selects it and a search finds it in a file. The
// checksum tells a misspelt key from others without asking the database.
const (
	keyRandom   = 43 // characters of 32 bytes
	keyChecksum = 6  // of a CRC-32
	keyShown    = 6  // of the random ones that Prefix has
	keyBytes    = len(KeyMark) + keyRandom + keyChecksum
)

// NewAPIKey is what a user gives to get a key. Name, of up to 200 characters, and
// ExpiresAt may be left out.
type NewAPIKey struct {
	Name      string
	ReadOnly  bool
	ExpiresAt *time.Time
}

// Validate gives a [*product.ValidationError] that names every bad field, or nil.
func (n NewAPIKey) Validate() error {
	var f product.FieldErrors
	f.CheckText("name", n.Name, 0, product.MaxName, false)
	if n.ExpiresAt != nil && !n.ExpiresAt.After(time.Now()) {
		f.Add("expires_at", "out_of_range", "must be in the future")
	}
	return f.Err()
}

// APIKey is a user's key without its text, which nobody has but its holder. Times
// are UTC, nil where there is none.
type APIKey struct {
	ID         uuid.UUID
	UserID     int64
	Name       string
	Prefix     string // the first characters of the text
	ReadOnly   bool
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time // to about a minute
}

// keyDigest is the SHA-256 of a key's text. With 256 random bits in the text there
// is nothing to be guessed, which a slow hash would have to hinder.
type keyDigest [sha256.Size]byte

// cacheKey is where the cache has what the key allows.
func (d keyDigest) cacheKey() string { return "apikey:v1:" + hex.EncodeToString(d[:]) }

// newKeyText makes up a key.
func newKeyText() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	text := KeyMark + base62(new(big.Int).SetBytes(random[:]), keyRandom)
	return text + checksum(text)
}

// digestKey gives the digest of what may be a key; false for what is none.
func digestKey(text string) (keyDigest, bool) {
	if len(text) != keyBytes || !strings.HasPrefix(text, KeyMark) {
		return keyDigest{}, false
	}
	body := text[:keyBytes-keyChecksum]
	return sha256.Sum256([]byte(text)), text[len(body):] == checksum(body)
}

func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	return base62(big.NewInt(int64(sum)), keyChecksum)
}

// base62 writes n with the given number of digits.
func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}
