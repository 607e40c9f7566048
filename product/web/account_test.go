package web_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	_ "github.com/lib/pq"

	"vitrine/bench/testenv"
	"vitrine/product/event"
	"vitrine/product/upload"
	"vitrine/product/web"
)

const adminToken = "the token of the administrator"

// accounts is an API with an administrator's token.
type accounts struct {
	*server
	t       *testing.T
	dsn     string
	db      *sql.DB // a direct connection
	service web.Services
}

// account is a user with a key.
type newAccount struct{ id, key, keyID string }

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	dsn := testenv.DSN(t)
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store := testenv.Open(t, dsn)
	service := newServices(store, newCache(t), objectURL)
	testenv.RunEventLog(t, dsn, service.Events.(*event.Log))
	cfg := web.Config{AdminToken: adminToken, Uploads: upload.New(store, unreachableObjects(t), 1000)}
	return &accounts{serve(t, cfg, service), t, dsn, db, service}
}

func auth(token string) []string { return []string{"Authorization", "Bearer " + token} }

// as makes a request with a token.
func (a *accounts) as(token, method, path, body string, headers ...string) answer {
	a.t.Helper()
	return a.call(a.t, method, path, body, append(auth(token), headers...)...)
}

// must makes a request with a token that has to succeed, and returns the data of the response.
func (a *accounts) must(token, method, path, body string, headers ...string) map[string]any {
	a.t.Helper()
	got := a.as(token, method, path, body, headers...)
	if got.status < 200 || got.status > 299 {
		a.t.Fatalf("%s %s: %d %s", method, path, got.status, got.raw)
	}
	return got.data()
}

// newAccount creates a user with a key that has full access.
func (a *accounts) newAccount() newAccount {
	a.t.Helper()
	user := a.must(adminToken, http.MethodPost, "/users", fmt.Sprintf(`{"name":"Ada","email":"%s@example.org"}`, uuid.NewString()))
	id := fmt.Sprint(user["id"])
	key, keyID := a.newKey(adminToken, id, "")
	return newAccount{id, key, keyID}
}

// newKey creates a key with token and returns its text and its id.
func (a *accounts) newKey(token, user, body string) (key, id string) {
	a.t.Helper()
	data := a.must(token, http.MethodPost, "/users/"+user+"/keys", body)
	key, _ = data["key"].(string)
	id, _ = data["id"].(string)
	if key == "" || id == "" {
		a.t.Fatal("the answer has no key")
	}
	return key, id
}

// ids returns the ids of the items in a list.
func (a answer) ids(t *testing.T) []string {
	t.Helper()
	var body struct {
		Data []struct {
			ID any `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.raw, &body); err != nil {
		t.Fatalf("%v: %s", err, a.raw)
	}
	ids := []string{}
	for _, d := range body.Data {
		ids = append(ids, fmt.Sprint(d.ID))
	}
	return ids
}

func (a *accounts) exec(q string, args ...any) {
	a.t.Helper()
	if _, err := a.db.ExecContext(a.t.Context(), q, args...); err != nil {
		a.t.Fatal(err)
	}
}
