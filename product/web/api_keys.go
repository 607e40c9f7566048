package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/web/access"
	"vitrine/product/web/body"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
	"vitrine/product/web/query"
)

// Accounts is what the API needs of users' keys. Its methods have the promises of
// [Service].
type Accounts interface {
	access.Keys
	CreateKey(ctx context.Context, scope product.Scope, user int64, n account.NewAPIKey) (key account.APIKey, text string, err error)
	Keys(ctx context.Context, scope product.Scope, user int64) ([]account.APIKey, error)
	RevokeKey(ctx context.Context, scope product.Scope, user int64, id uuid.UUID) (account.APIKey, error)
}

// keyBody is the JSON of an API key. Key, its text, is only in the answer to its
// creation.
type keyBody struct {
	ID         uuid.UUID  `json:"id"`
	UserID     int64      `json:"user_id"`
	Name       string     `json:"name"`
	Key        string     `json:"key,omitempty"`
	Prefix     string     `json:"prefix"`
	ReadOnly   bool       `json:"read_only"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func keyOf(k account.APIKey, text string) keyBody {
	return keyBody{k.ID, k.UserID, k.Name, text, k.Prefix, k.ReadOnly, k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt}
}

// createKey refuses idempotency keys: to repeat its answer, the service would have to
// store the text of the API key.
func (a *api) createKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if len(r.Header.Values(header.IdempotencyKeyName)) > 0 {
		return problem.OfHeader(header.IdempotencyKeyName, "not_supported", "is not supported here: the response contains a secret that is not stored")
	}
	input, err := readNewKey(w, r)
	if err != nil {
		return err
	}
	key, text, err := a.Accounts.CreateKey(r.Context(), access.CallerOf(r).Scope, id, input)
	if errors.Is(err, account.ErrTooManyKeys) {
		return problem.New("too_many_keys",
			"the user has the maximum number of valid API keys; revoke one first")
	}
	if err != nil {
		return err
	}
	return sendJSON(w, r, http.StatusCreated, keyOf(key, text), "API key created successfully; it is not shown again")
}

func (a *api) listKeys(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := query.None(r); err != nil {
		return err
	}
	keys, err := a.Accounts.Keys(r.Context(), access.CallerOf(r).Scope, id)
	if err != nil {
		return err
	}
	bodies := make([]keyBody, len(keys))
	for i, k := range keys {
		bodies[i] = keyOf(k, "")
	}
	w.Header().Set("Cache-Control", revalidate)
	return sendJSON(w, r, http.StatusOK, bodies, "API keys retrieved successfully")
}

func (a *api) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	keyID, err := pathUUID(r, "key")
	if err != nil {
		return err
	}
	key, err := a.Accounts.RevokeKey(r.Context(), access.CallerOf(r).Scope, id, keyID)
	if err != nil {
		return err
	}
	return sendJSON(w, r, http.StatusOK, keyOf(key, ""), "API key revoked successfully")
}

// readNewKey reads the body of POST /users/{id}/keys, which is optional.
func readNewKey(w http.ResponseWriter, r *http.Request) (account.NewAPIKey, error) {
	if r.ContentLength == 0 {
		return account.NewAPIKey{}, nil
	}
	data, err := body.Read(w, r, body.JSON)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return account.NewAPIKey{}, err
	}
	return body.NewKey(data, time.Now())
}
