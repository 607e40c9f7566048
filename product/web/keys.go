package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

// Accounts is what the API needs of users' keys. Its methods are like those of
// [Service].
type Accounts interface {
	// VerifyKey gives what the key allows. Errors: [product.ErrInvalidKey], and
	// [product.ErrUnavailable] where that cannot be found out now.
	VerifyKey(ctx context.Context, key string) (product.Grant, error)
	CreateKey(ctx context.Context, scope product.Scope, user int64, n product.NewAPIKey) (key product.APIKey, text string, err error)
	Keys(ctx context.Context, scope product.Scope, user int64) ([]product.APIKey, error)
	RevokeKey(ctx context.Context, scope product.Scope, user int64, id uuid.UUID) (product.APIKey, error)
}

// keyBody is an API key on the wire. Key, its text, stands in the answer to its
// creation and nowhere else.
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

func keyOf(k product.APIKey, text string) keyBody {
	return keyBody{k.ID, k.UserID, k.Name, text, k.Prefix, k.ReadOnly, k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt}
}

// createKey takes no idempotency key: to repeat its answer, the service would have
// to keep the text of the API key.
func (a *api) createKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if len(r.Header.Values(keyHeader)) > 0 {
		return badHeader(keyHeader, "not_supported", "is not taken here: the answer holds a secret, which is not kept")
	}
	input, err := readNewKey(w, r)
	if err != nil {
		return err
	}
	key, text, err := a.service.CreateKey(r.Context(), a.access.scope(r), id, input)
	if errors.Is(err, product.ErrTooManyKeys) {
		return newProblem(http.StatusConflict, "too_many_keys",
			"the user has as many valid API keys as are allowed; revoke one first")
	}
	if err != nil {
		return err
	}
	return sendKey(w, r, http.StatusCreated, keyOf(key, text), "API key created successfully; it is not shown again")
}

func (a *api) listKeys(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	keys, err := a.service.Keys(r.Context(), a.access.scope(r), id)
	if err != nil {
		return err
	}
	bodies := make([]keyBody, len(keys))
	for i, k := range keys {
		bodies[i] = keyOf(k, "")
	}
	w.Header().Set("Cache-Control", revalidate)
	return sendKey(w, r, http.StatusOK, bodies, "API keys retrieved successfully")
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
	key, err := a.service.RevokeKey(r.Context(), a.access.scope(r), id, keyID)
	if err != nil {
		return err
	}
	return sendKey(w, r, http.StatusOK, keyOf(key, ""), "API key revoked successfully")
}

func sendKey(w http.ResponseWriter, r *http.Request, status int, body any, message string) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	send(w, r, status, data, message)
	return nil
}

// readNewKey reads the body of POST /users/{id}/keys, which may be left out.
func readNewKey(w http.ResponseWriter, r *http.Request) (product.NewAPIKey, error) {
	if r.ContentLength == 0 {
		return product.NewAPIKey{}, nil
	}
	body, err := readBody(w, r, typeJSON)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return product.NewAPIKey{}, err
	}
	return decodeNewKey(body, time.Now())
}

// decodeNewKey reads the fields of a new key. Null is as good as absent for all but
// read_only, where it could be meant either way.
func decodeNewKey(body []byte, now time.Time) (product.NewAPIKey, error) {
	const fieldReadOnly, fieldExpiresAt, fieldExpiresIn = "read_only", "expires_at", "expires_in"
	o, err := parseObject(body, "name", fieldReadOnly, fieldExpiresAt, fieldExpiresIn)
	if err != nil {
		return product.NewAPIKey{}, err
	}
	var n product.NewAPIKey
	var state presence
	n.Name, _ = o.text("name")
	n.ReadOnly, state = o.boolean(fieldReadOnly)
	o.set(fieldReadOnly, state)
	at, atState := o.time(fieldExpiresAt)
	if atState == given {
		n.ExpiresAt = &at
	}
	seconds, inState := o.integer(fieldExpiresIn)
	switch {
	case inState != given:
	case atState != absent && atState != null:
		o.fault(fieldExpiresIn, "conflict", "must not be given together with "+fieldExpiresAt)
	case seconds < 1:
		o.fault(fieldExpiresIn, "out_of_range", "must be a number of seconds, at least 1")
	default:
		end := now.Add(time.Duration(seconds) * time.Second)
		n.ExpiresAt = &end
	}
	return n, o.verdict(n)
}

// time reads a member that is a point in time.
func (o *object) time(name string) (time.Time, presence) {
	text, state := o.text(name)
	if state != given {
		return time.Time{}, state
	}
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC() // PostgreSQL takes fewer offsets than RFC 3339 has
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		o.fault(name, "invalid_time", "must be a time of RFC 3339 such as 2026-01-31T12:00:00Z")
		return time.Time{}, bad
	}
	return t, given
}
