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
	// ErrInvalidKey reports that an API key does not exist, has expired or has been
	// revoked.
	ErrInvalidKey = errors.New("invalid API key")
	// ErrTooManyKeys reports that the user has the maximum number of valid API keys. It
	// wraps [product.ErrConflict].
	ErrTooManyKeys = fmt.Errorf("too many API keys: %w", product.ErrConflict)
)

// KeyMark is the beginning of every API key.
const KeyMark = "vit_"

// A key consists of its mark, 256 random bits and a checksum of both, in letters and
// digits (base 62). A double click selects it, and a search for the mark finds keys in
// files. The checksum detects a mistyped key without a query.
const (
	keyRandom   = 43 // characters of 32 bytes
	keyChecksum = 6  // characters of a CRC-32
	keyShown    = 6  // random characters in Prefix
	keyBytes    = len(KeyMark) + keyRandom + keyChecksum
)

// NewAPIKey is the input that creates a key. Name, of up to 200 characters, and ExpiresAt
// are optional.
type NewAPIKey struct {
	Name      string
	ReadOnly  bool
	ExpiresAt *time.Time
}

// Validate returns a [*product.ValidationError] that lists every invalid field, or nil.
func (n NewAPIKey) Validate() error {
	var f product.FieldErrors
	f.CheckText("name", n.Name, 0, product.MaxName, false)
	if n.ExpiresAt != nil && !n.ExpiresAt.After(time.Now()) {
		f.Add("expires_at", "out_of_range", "must be in the future")
	}
	return f.Err()
}

// APIKey is a user's key without its text, which is shown once and not stored. Times are
// UTC, nil if not set.
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

// keyDigest is the SHA-256 of a key's text. A text with 256 random bits cannot be guessed,
// so a slow hash would add nothing.
type keyDigest [sha256.Size]byte

// cacheKey returns the cache's key for the record of the API key.
func (d keyDigest) cacheKey() string { return "apikey:v1:" + hex.EncodeToString(d[:]) }

// newKeyText returns the text of a new key.
func newKeyText() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never returns an error: it crashes the process instead
	text := KeyMark + base62(new(big.Int).SetBytes(random[:]), keyRandom)
	return text + checksum(text)
}

// digestKey returns the digest of a key's text, or false if the form or the checksum is
// wrong.
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

// base62 returns n in base 62, padded with zeros to the given number of digits.
func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}
