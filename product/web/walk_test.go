package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product/web"
)

// visit is a request to a route of the table.
type visit struct {
	web.Route
	path, body string
}

// walkBodies has valid bodies for the routes that read one. USER stands for the id of the user
// whose products the walk requests.
var walkBodies = map[string]string{
	"POST /products":                      `{"user_id":USER,"product_name":"Lamp","product_price":1}`,
	"PUT /products/{id}":                  `{"product_name":"Torch","product_price":1}`,
	"PATCH /products/{id}":                `{"product_name":"Torch"}`,
	"POST /products/{id}/images":          `{"source":"https://img.example/eve.jpg"}`,
	"PATCH /products/{id}/images/{image}": `{"alt":"Eve"}`,
	"POST /uploads":                       `{"user_id":USER}`,
	"POST /users":                         `{"name":"Eve","email":"eve@example.org"}`,
	"POST /users/{id}/keys":               `{"name":"laptop"}`,
	"POST /admin/dead-letters/replay":     `{"all":true}`,
}

var parameter = regexp.MustCompile(`^\{(\w+)\}$`)

// walk returns requests to every route of the table, to GET routes with HEAD too, and each with
// and without the prefix. ids has the values of path parameters by the segment before them.
func walk(t *testing.T, user string, ids map[string]string) []visit {
	t.Helper()
	var visits []visit
	for _, rt := range web.Routes() {
		segments := strings.Split(rt.Path, "/")
		for i, s := range segments {
			if !parameter.MatchString(s) {
				continue
			}
			id, known := ids[segments[i-1]]
			if !known && rt.Admin {
				id = uuid.NewString()
			} else if !known {
				t.Errorf("the walk has no id for %s in %s", s, rt.Path)
			}
			segments[i] = id
		}
		path := strings.Join(segments, "/")
		body := strings.ReplaceAll(walkBodies[rt.Method+" "+rt.Path], "USER", user)
		methods := []string{rt.Method}
		if rt.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			v := visit{rt, path, body}
			v.Method = method
			prefixed := v
			prefixed.path = "/api" + path
			visits = append(visits, v, prefixed)
		}
	}
	return visits
}

// visit makes the request with headers. All requests have the same request id, so that equal
// responses are equal in every byte.
func (a *accounts) visit(v visit, headers ...string) answer {
	a.t.Helper()
	headers = append(headers, "X-Request-ID", "walk")
	if v.Path == "/events" && v.Method == http.MethodGet {
		return a.peek(v.path, headers)
	}
	return a.call(a.t, v.Method, v.path, v.body, headers...)
}

// peek makes a GET request. It closes an event stream before its first line.
func (a *accounts) peek(path string, headers []string) answer {
	a.t.Helper()
	ctx, leave := context.WithCancel(a.t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := answer{status: res.StatusCode, header: res.Header}
	if res.StatusCode != http.StatusOK {
		if got.raw, err = io.ReadAll(res.Body); err == nil {
			err = json.Unmarshal(got.raw, &got.body)
		}
		if err != nil {
			a.t.Error(err)
		}
	}
	return got
}

// wantSame checks that two responses differ only in their times.
func wantSame(t *testing.T, v visit, got, want answer) {
	t.Helper()
	got.header.Del("Date")
	want.header.Del("Date")
	if diff := cmp.Diff(want.header, got.header); got.status != want.status || !bytes.Equal(got.raw, want.raw) || diff != "" {
		t.Errorf("%s %s: %d %s, not %d %s %s", v.Method, v.path, got.status, got.raw, want.status, want.raw, diff)
	}
}

// wantDenied checks the status and, except for HEAD, the code.
func wantDenied(t *testing.T, v visit, a answer, status int, codes ...string) {
	t.Helper()
	if a.status != status || v.Method != http.MethodHead && !slices.Contains(codes, a.text("code")) {
		t.Errorf("%s %s: %d %q, want %d %q", v.Method, v.path, a.status, a.text("code"), status, codes)
	}
}

// shelf is an account with a product, an image and everything else that routes name.
func (a *accounts) shelf() (owner newAccount, ids map[string]string) {
	a.t.Helper()
	owner = a.newAccount()
	data := a.must(owner.key, http.MethodPost, "/products",
		`{"product_name":"Lamp","product_price":1,"product_images":["https://img.example/lamp.jpg"]}`)
	images, _ := data["images"].([]any)
	image, _ := images[0].(map[string]any)
	product := fmt.Sprint(data["id"])
	imageID, _ := image["id"].(string)
	return owner, map[string]string{"products": product, "images": imageID, "users": owner.id, "keys": owner.keyID, "problems": "internal"}
}

func TestWalkWithoutAValidKey(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	owner, ids := a.shelf()
	expired, expiredID := a.newKey(adminToken, owner.id, "")
	a.exec(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, expiredID)
	revoked, revokedID := a.newKey(adminToken, owner.id, "")
	a.must(adminToken, http.MethodDelete, "/users/"+owner.id+"/keys/"+revokedID, "")
	unknown, _ := newAccounts(t).shelf()
	for _, v := range walk(t, owner.id, ids) {
		if v.Open {
			if got := a.visit(v); got.status != http.StatusOK {
				t.Errorf("%s %s: %d", v.Method, v.path, got.status)
			}
			continue
		}
		wantDenied(t, v, a.visit(v), http.StatusUnauthorized, "unauthorized")
		wrong := a.visit(v, auth(unknown.key)...)
		wantDenied(t, v, wrong, http.StatusUnauthorized, "invalid_token")
		for _, token := range []string{expired, revoked, "vit_", "wrong"} {
			wantSame(t, v, a.visit(v, auth(token)...), wrong)
		}
		if got := wrong.header.Get("WWW-Authenticate"); got != `Bearer realm="vitrine", error="invalid_token"` {
			t.Errorf("WWW-Authenticate is %q", got)
		}
	}
}

func TestWalkWithAReadOnlyKey(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	owner, ids := a.shelf()
	reader, _ := a.newKey(owner.key, owner.id, `{"read_only":true}`)
	makeReady(t, a.service, ids["images"], imaging.Variant{Name: "main", Key: "products/1/2/main.jpg", Width: 1, Height: 1, Bytes: 1, Format: "jpeg"})
	before := a.as(adminToken, http.MethodGet, "/products/"+ids["products"], "").data()
	for _, v := range walk(t, owner.id, ids) {
		got := a.visit(v, auth(reader)...)
		safe := v.Method == http.MethodGet || v.Method == http.MethodHead
		switch {
		case v.Admin:
			wantDenied(t, v, got, http.StatusForbidden, "admin_only")
		case !v.Open && (!safe || v.FullOnly):
			wantDenied(t, v, got, http.StatusForbidden, "read_only_key")
		case got.status != http.StatusOK && (got.status != http.StatusFound || !strings.HasSuffix(v.Path, "/file")):
			t.Errorf("%s %s: %d %s", v.Method, v.path, got.status, got.raw)
		}
	}
	if diff := cmp.Diff(before, a.as(adminToken, http.MethodGet, "/products/"+ids["products"], "").data()); diff != "" {
		t.Errorf("the walk has changed the product: %s", diff)
	}
}

// Responses to another user are the same for ids that exist and for ids that do not.
func TestWalkWithAnotherOwnersKey(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	// Numbers that occur nowhere else in a response.
	a.exec(`ALTER SEQUENCE users_id_seq RESTART WITH 730001`)
	a.exec(`ALTER SEQUENCE products_id_seq RESTART WITH 840001`)
	shelved, ids := a.shelf()
	eve := a.newAccount()
	nothing := map[string]string{
		"products": owner, "users": owner, "images": uuid.NewString(), "keys": uuid.NewString(), "problems": uuid.NewString(),
	}
	before := a.as(adminToken, http.MethodGet, "/products/"+ids["products"], "").data()
	unknown := walk(t, owner, nothing)
	for i, v := range walk(t, shelved.id, ids) {
		if v.Open {
			continue
		}
		got := a.visit(v, auth(eve.key)...)
		switch {
		case v.Admin:
			wantDenied(t, v, got, http.StatusForbidden, "admin_only")
		case strings.Contains(v.Path, "{"):
			wantDenied(t, v, got, http.StatusNotFound, "not_found")
			wantSame(t, v, got, a.visit(unknown[i], auth(eve.key)...))
		case strings.Contains(v.body, shelved.id):
			wantDenied(t, v, got, http.StatusUnprocessableEntity, "validation_failed")
			wantSame(t, v, got, a.visit(unknown[i], auth(eve.key)...))
		default:
			for _, id := range ids {
				if bytes.Contains(got.raw, []byte(id)) {
					t.Errorf("%s %s shows %s: %s", v.Method, v.path, id, got.raw)
				}
			}
		}
	}
	// The list is empty for the owner's user_id, as for an unknown one.
	for _, user := range []string{shelved.id, owner} {
		if got := a.as(eve.key, http.MethodGet, "/products?user_id="+user, ""); got.status != http.StatusOK || len(got.ids(t)) != 0 {
			t.Errorf("%d %s", got.status, got.raw)
		}
	}
	if diff := cmp.Diff(before, a.as(adminToken, http.MethodGet, "/products/"+ids["products"], "").data()); diff != "" {
		t.Errorf("the walk has changed the product: %s", diff)
	}
	a.must(shelved.key, http.MethodGet, "/users/"+shelved.id, "") // the key still exists
}
