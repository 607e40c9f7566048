package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/account"
	"vitrine/product/web"
	"vitrine/product/web/body"
)

// A user can replace its own key.
func TestRotation(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u := a.newAccount()
	keys := "/users/" + u.id + "/keys"
	created := a.as(u.key, http.MethodPost, keys, `{"name":"next","expires_in":3600}`)
	if created.status != http.StatusCreated || created.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", created.status, created.header.Get("Cache-Control"))
	}
	next, _ := created.data()["key"].(string)
	end, err := time.Parse(time.RFC3339, fmt.Sprint(created.data()["expires_at"]))
	if left := time.Until(end); err != nil || left < 55*time.Minute || left > time.Hour {
		t.Errorf("expires_at is %v", created.data()["expires_at"])
	}
	for _, key := range []string{u.key, next} { // both are valid
		a.must(key, http.MethodGet, "/users/"+u.id, "")
	}
	revoked := a.must(next, http.MethodDelete, keys+"/"+u.keyID, "")
	again := a.must(next, http.MethodDelete, keys+"/"+u.keyID, "")
	if diff := cmp.Diff(revoked, again); diff != "" || revoked["revoked_at"] == nil {
		t.Errorf("%v %s", revoked["revoked_at"], diff)
	}
	wantProblem(t, a.as(u.key, http.MethodGet, "/users/"+u.id, ""), http.StatusUnauthorized, "invalid_token")

	reader, _ := a.newKey(next, u.id, `{"read_only":true}`)
	wantProblem(t, a.as(reader, http.MethodGet, keys, ""), http.StatusForbidden, "read_only_key")

	list := a.as(next, http.MethodGet, keys, "")
	if got := list.ids(t); len(got) != 3 || got[2] != u.keyID {
		t.Errorf("%s", list.raw)
	}
	for _, secret := range []string{u.key, next} {
		if strings.Contains(string(list.raw), secret) || strings.Contains(a.logs.text(), secret[10:30]) {
			t.Error("a key is shown a second time")
		}
	}
	listed, _ := list.body["data"].([]any)[1].(map[string]any)
	want := created.data()
	delete(want, "key")
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("listed otherwise than created: %s", diff)
	}
}

func TestTooManyKeys(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u := a.newAccount()
	for range 9 {
		a.newKey(u.key, u.id, `{}`)
	}
	wantProblem(t, a.as(u.key, http.MethodPost, "/users/"+u.id+"/keys", ""), http.StatusConflict, "too_many_keys")
	a.must(u.key, http.MethodDelete, "/users/"+u.id+"/keys/"+u.keyID, "")
	wantProblem(t, a.as(u.key, http.MethodPost, "/users/"+u.id+"/keys", ""), http.StatusUnauthorized, "invalid_token")
	a.newKey(adminToken, u.id, "")
}

func TestNewKeyIsRead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	later := now.Add(time.Hour).UTC().Truncate(time.Second)
	in := now.Add(60 * time.Second)
	for text, want := range map[string]account.NewAPIKey{
		`{}`: {},
		`{"name":null,"expires_at":null,"expires_in":null}`:          {},
		`{"name":"ci","read_only":true}`:                             {Name: "ci", ReadOnly: true},
		`{"expires_in":60,"read_only":false}`:                        {ExpiresAt: &in},
		fmt.Sprintf(`{"expires_at":%q}`, later.Format(time.RFC3339)): {ExpiresAt: &later},
		`{"expires_at":null,"expires_in":60}`:                        {ExpiresAt: &in},
	} {
		got, err := body.NewKey([]byte(text), now)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	a := newAccounts(t)
	u := a.newAccount()
	for body, want := range map[string]map[string]string{
		`{"name":7,"read_only":null,"expires_at":"tomorrow","x":1}`: {"/name": "wrong_type", "/read_only": "required", "/expires_at": "invalid_time", "/x": "unknown_field"},
		`{"expires_at":"2020-01-01T00:00:00Z"}`:                     {"/expires_at": "out_of_range"},
		`{"expires_at":"2099-01-01T00:00:00Z","expires_in":5}`:      {"/expires_in": "conflict"},
		`{"expires_in":0}`: {"/expires_in": "out_of_range"},
		`{"expires_in":1.5,"name":"` + strings.Repeat("n", 201) + `"}`:   {"/expires_in": "invalid_integer", "/name": "too_long"},
		`{"read_only":"true","expires_at":"9999-12-31T23:59:59-23:00" }`: {"/read_only": "wrong_type", "/expires_at": "invalid_time"},
	} {
		got := a.as(u.key, http.MethodPost, "/users/"+u.id+"/keys", body)
		wantProblem(t, got, http.StatusUnprocessableEntity, "validation_failed")
		if diff := cmp.Diff(want, got.faults()); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	got := a.as(u.key, http.MethodPost, "/users/"+u.id+"/keys", "", "Idempotency-Key", "k")
	wantProblem(t, got, http.StatusBadRequest, "not_supported")
}

func TestUsersHaveTheirOwn(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, eve := a.newAccount(), a.newAccount()
	lamp := a.must(ada.key, http.MethodPost, "/products", `{"product_name":"Lamp","product_price":1}`)
	torch := a.must(eve.key, http.MethodPost, "/products", `{"user_id":`+eve.id+`,"product_name":"Torch","product_price":2}`)
	if fmt.Sprint(lamp["user_id"], torch["user_id"]) != ada.id+" "+eve.id {
		t.Errorf("%v, %v", lamp["user_id"], torch["user_id"])
	}
	for token, want := range map[string][]string{
		ada.key:    {fmt.Sprint(lamp["id"])},
		eve.key:    {fmt.Sprint(torch["id"])},
		adminToken: {fmt.Sprint(torch["id"]), fmt.Sprint(lamp["id"])},
	} {
		if diff := cmp.Diff(want, a.as(token, http.MethodGet, "/products", "").ids(t)); diff != "" {
			t.Error(diff)
		}
	}
	// The administrator owns no products. A null user_id does not count as absent.
	for token, body := range map[string]string{
		adminToken: `{"product_name":"Lamp","product_price":1}`,
		ada.key:    `{"user_id":null,"product_name":"Lamp","product_price":1}`,
	} {
		got := a.as(token, http.MethodPost, "/products", body)
		if wantProblem(t, got, http.StatusUnprocessableEntity, "validation_failed"); got.faults()["/user_id"] != "required" {
			t.Errorf("%s", got.raw)
		}
	}
	// A product in the cache is visible only to its owner.
	path := "/products/" + fmt.Sprint(lamp["id"])
	testenv.Eventually(t, "the product is cached", func() bool {
		return a.as(ada.key, http.MethodGet, path, "").header.Get("X-Cache") == "HIT"
	})
	wantProblem(t, a.as(eve.key, http.MethodGet, path, ""), http.StatusNotFound, "not_found")
}

// Idempotency keys belong to a user: two users can choose the same key, and a user can
// repeat a request with another API key.
func TestIdempotencyKeysOfOwners(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, eve := a.newAccount(), a.newAccount()
	const body = `{"product_name":"Lamp","product_price":1}`
	first := a.must(ada.key, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	other := a.must(eve.key, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	if first["id"] == other["id"] || fmt.Sprint(other["user_id"]) != eve.id {
		t.Errorf("%v and %v", first, other)
	}
	next, _ := a.newKey(ada.key, ada.id, "")
	again := a.as(next, http.MethodPost, "/products", body, "Idempotency-Key", "k")
	if again.data()["id"] != first["id"] || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d %s", again.status, again.raw)
	}
}

func TestLogNamesTheCaller(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u := a.newAccount()
	a.as(u.key, http.MethodGet, "/products", "", "X-Request-ID", "by-a-user")
	if line := a.logs.wait(t, "Request processed", "by-a-user"); fmt.Sprint(line["user_id"]) != u.id || line["key_id"] != u.keyID {
		t.Errorf("%v", line)
	}
	a.as(adminToken, http.MethodGet, "/products/"+u.key, "", "X-Request-ID", "by-the-administrator")
	line := a.logs.wait(t, "Request processed", "by-the-administrator")
	if _, there := line["key_id"]; there || line["path"] != "/products/vit_***" {
		t.Errorf("%v", line)
	}
	if strings.Contains(a.logs.text(), u.key[10:]) {
		t.Error("the log has a key")
	}
}

// A key that is revoked on one server is soon rejected by another.
func TestRevocationOnAnotherServer(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	second := newServices(testenv.Open(t, a.dsn), newCache(t), objectURL)
	b := &accounts{serve(t, web.Config{AdminToken: adminToken}, second), t, a.dsn, a.db, second}
	u := a.newAccount()
	path := "/users/" + u.id
	a.must(u.key, http.MethodGet, path, "")
	b.must(u.key, http.MethodGet, path, "")
	a.must(u.key, http.MethodDelete, path+"/keys/"+u.keyID, "")
	revoked, accepted := time.Now(), time.Time{}
	wantProblem(t, a.as(u.key, http.MethodGet, path, ""), http.StatusUnauthorized, "invalid_token")
	testenv.Eventually(t, "the other server refuses the key", func() bool {
		began := time.Now()
		if b.as(u.key, http.MethodGet, path, "").status == http.StatusOK {
			accepted = began
			return false
		}
		return true
	})
	if took := accepted.Sub(revoked); took > 5*time.Second {
		t.Errorf("the other server took the key for another %v", took)
	}
	wantProblem(t, b.as(u.key, http.MethodGet, path, ""), http.StatusUnauthorized, "invalid_token")
}

// While PostgreSQL is unavailable, a known key can still read from the cache. For an unknown
// key the response is a 503: a valid key is never reported as invalid.
func TestKeysWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u := a.newAccount()
	unseen, _ := a.newKey(adminToken, u.id, "")
	through, proxy := testenv.ProxyURL(t, a.dsn)
	// Without Redis the test could not read either, so a busy machine has a long timeout.
	patient := testenv.OpenCacheWith(t, cache.Config{
		URL: testenv.RedisURL(t), Prefix: "test:" + uuid.NewString() + ":", Timeout: time.Second, Probe: time.Second,
	}, nil)
	service := newServices(testenv.Open(t, through), patient, objectURL)
	b := &accounts{serve(t, web.Config{AdminToken: adminToken}, service), t, a.dsn, a.db, service}
	path := "/products/" + fmt.Sprint(b.must(u.key, http.MethodPost, "/products", `{"product_name":"Lamp","product_price":1}`)["id"])
	testenv.Eventually(t, "the product is cached", func() bool {
		return b.as(u.key, http.MethodGet, path, "").header.Get("X-Cache") == "HIT"
	})
	proxy.Refuse()
	began := time.Now()
	testenv.Eventually(t, "three seconds have passed", func() bool {
		b.must(u.key, http.MethodGet, path, "")
		return time.Since(began) > 3*time.Second
	})
	got := b.as(unseen, http.MethodGet, path, "")
	if wantProblem(t, got, http.StatusServiceUnavailable, "unavailable"); got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	wantProblem(t, b.as("vit_wrong", http.MethodGet, path, ""), http.StatusUnauthorized, "invalid_token")
}

// Keys can be created while the API is open. They have an effect once it has an
// administrator's token.
func TestKeysInAnOpenAPI(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	user := newUser(t, s)
	made := s.call(t, http.MethodPost, "/users/"+user+"/keys", `{"read_only":true}`)
	key, _ := made.data()["key"].(string)
	if made.status != http.StatusCreated || key == "" {
		t.Fatalf("%d %s", made.status, made.raw)
	}
	if a := s.call(t, http.MethodPost, "/users", `{"name":"Eve","email":"`+uuid.NewString()+`@example.org"}`, auth(key)...); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.raw)
	}
	wantProblem(t, s.call(t, http.MethodPost, "/users/"+uuid.NewString()+"/keys", ""), http.StatusNotFound, "not_found")
	wantProblem(t, s.call(t, http.MethodGet, "/users/"+user+"/keys?limit=1", ""), http.StatusBadRequest, "invalid_parameters")
}

// Revoking a key ends held responses, event streams and uploads in progress.
func TestRevocationEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u, ids := a.shelf()
	path := "/products/" + ids["products"]
	stream := a.follow(t, "", auth(u.key)...).ready()
	held := make(chan answer, 1)
	go func() { held <- a.as(u.key, http.MethodGet, path, "", "Prefer", "wait=30") }()
	testenv.Eventually(t, "an answer is held", func() bool { return a.gauge(t, "vitrine_http_waiting_requests") == 1 })
	finish, slow := a.slowPatch(path, u.key)

	a.must(adminToken, http.MethodDelete, "/users/"+u.id+"/keys/"+u.keyID, "")
	revoked := time.Now()
	finish()
	wantProblem(t, <-slow, http.StatusUnauthorized, "invalid_token")
	a.must(adminToken, http.MethodDelete, path+"/images/"+ids["images"], "") // settles the product
	wantProblem(t, <-held, http.StatusUnauthorized, "invalid_token")
	var err error
	for err == nil {
		_, err = stream.block()
	}
	if took := time.Since(revoked); took > 5*time.Second {
		t.Errorf("the stream went on for %v", took)
	}
}

// slowPatch begins a PATCH whose body ends when finish is called. It returns when the service
// reads the body.
func (a *accounts) slowPatch(path, token string) (finish func(), got <-chan answer) {
	a.t.Helper()
	body, rest := io.Pipe()
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(a.t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, a.url+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Expect", "100-continue")
	answers := make(chan answer, 1)
	go func() { answers <- a.do(a.t, req) }()
	<-reading
	return func() {
		if _, err := io.WriteString(rest, `{"product_name":"Torch"}`); err != nil {
			a.t.Error(err)
		}
		_ = rest.Close()
	}, answers
}
