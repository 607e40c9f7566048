package web_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/imaging"
	"vitrine/product/deadletter"
	"vitrine/product/job"
	"vitrine/product/web"
)

// shop is the API with a job store and dead letters.
type shop struct {
	*server
	t       *testing.T
	service web.Services
	jobs    *job.Store
	dead    *deadletter.Service
	user    string
}

func newShop(t *testing.T, cfg web.Config) *shop {
	t.Helper()
	store := testenv.Database(t)
	service := newServices(store, newCache(t), objectURL)
	return &shop{
		server: serve(t, cfg, service), t: t, service: service,
		jobs: service.Jobs, dead: service.DeadLetters,
	}
}

// failed creates a product whose images have failed, and returns their ids.
func (s *shop) failed(sources ...string) (product string, images []string) {
	s.t.Helper()
	if s.user == "" {
		s.user = newUser(s.t, s.server)
	}
	body := fmt.Sprintf(`{"user_id":%s,"product_name":"Lamp","product_price":1,"product_images":["%s"]}`,
		s.user, strings.Join(sources, `","`))
	a := s.call(s.t, http.MethodPost, "/products", body)
	if a.status != http.StatusCreated {
		s.t.Fatalf("create a product: %d %s", a.status, a.raw)
	}
	for _, entry := range a.data()["images"].([]any) {
		id := entry.(map[string]any)["id"].(string)
		s.fail(id, 1)
		images = append(images, id)
	}
	return fmt.Sprint(a.data()["id"]), images
}

// fail makes an image fail and files its dead letter.
func (s *shop) fail(image string, generation int64) {
	s.t.Helper()
	job := imaging.Job{ImageID: uuid.MustParse(image), Generation: generation, RequestID: "r-job"}
	claim, err := s.jobs.Claim(s.t.Context(), job, "worker-1", 20*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	outcome := imaging.Outcome{
		Stage: imaging.StageFetch, Started: time.Now(), Duration: 1500 * time.Millisecond,
		Err: &imaging.Error{Code: imaging.CodeSourceNotFound, Stage: imaging.StageFetch, Detail: "the source answered 404"},
	}
	if err := s.jobs.Settle(s.t.Context(), claim, outcome); err != nil {
		s.t.Fatal(err)
	}
	body, err := job.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.file(body)
}

func (s *shop) file(body []byte) {
	s.t.Helper()
	if err := s.dead.File(s.t.Context(), body, "rejected"); err != nil {
		s.t.Fatal(err)
	}
}

// list returns the data of a response that is a list.
func (a answer) list() []map[string]any {
	entries, _ := a.body["data"].([]any)
	list := make([]map[string]any, len(entries))
	for i, entry := range entries {
		list[i], _ = entry.(map[string]any)
	}
	return list
}

func TestListDeadLetters(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	id, images := s.failed("https://a.example/1.png", "https://b.example/2.png")
	s.file([]byte("\xff\xfe"))
	a := s.call(t, http.MethodGet, "/admin/dead-letters", "")
	if a.status != http.StatusOK || a.text("message") != "Dead letters retrieved successfully" || a.body["has_more"] != false || len(a.list()) != 3 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	unreadable, letter := a.list()[0], a.list()[2]
	if unreadable["payload"] != base64.StdEncoding.EncodeToString([]byte("\xff\xfe")) || unreadable["payload_encoding"] != "base64" ||
		unreadable["image_id"] != nil || unreadable["payload_truncated"] != false {
		t.Errorf("%v", unreadable)
	}
	created, err := time.Parse(time.RFC3339, fmt.Sprint(letter["created_at"]))
	if err != nil || time.Since(created).Abs() > time.Hour || letter["id"] == nil || letter["payload_sha256"] == nil {
		t.Errorf("%v", letter)
	}
	for _, member := range []string{"created_at", "id", "payload_sha256"} {
		delete(letter, member)
	}
	payload := fmt.Sprintf(`{"v":1,"image_id":%q,"generation":1,"request_id":"r-job"}`, images[0])
	want := map[string]any{
		"image_id": images[0], "product_id": number(id), "generation": 1.0, "reason": "rejected", "code": "source_not_found",
		"stage": "fetch", "host": "a.example", "detail": "the source answered 404",
		"fingerprint": "source_not_found|fetch|a.example", "request_id": "r-job", "payload": payload,
		"payload_encoding": "text", "payload_bytes": float64(len(payload)), "payload_truncated": false, "replayed_at": nil,
	}
	if diff := cmp.Diff(want, letter); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for query, n := range map[string]int{
		"code=unreadable": 1, "stage=fetch": 2, "host=b.example": 1, "host=": 1, "product_id=" + id: 2,
		"replayed=true": 0, "replayed=false": 3, "fingerprint=" + url.QueryEscape("source_not_found|fetch|a.example"): 1,
		"created_after=2020-01-01T00:00:00Z": 3, "created_before=2020-01-01T00:00:00%2B01:00": 0,
		"created_before=2020-01-01T00:00:00%2B23:59": 0, "created_after=2020-01-01T00:00:00-23:59": 3,
	} {
		for _, prefix := range []string{"", "/api"} {
			if a := s.call(t, http.MethodGet, prefix+"/admin/dead-letters?"+query, ""); a.status != http.StatusOK || len(a.list()) != n {
				t.Errorf("%s: %d with %d dead letters, want %d", query, a.status, len(a.list()), n)
			}
		}
	}
}

func TestDeadLetterPages(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	s.failed("https://a.example/1", "https://b.example/1", "https://a.example/2", "https://a.example/3")
	var hosts []any
	path := "/api/admin/dead-letters?limit=2&host=a.example"
	for path != "" {
		a := s.call(t, http.MethodGet, path, "")
		for _, l := range a.list() {
			hosts = append(hosts, l["host"])
		}
		path, _ = strings.CutSuffix(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
		if (path != "") != (a.body["has_more"] == true) || (path != "") != (a.text("next_cursor") != "") {
			t.Fatalf("Link %q in %s", a.header.Get("Link"), a.raw)
		}
		if path != "" && !strings.HasPrefix(path, "/api/admin/dead-letters?cursor=") {
			t.Fatalf("Link to %q", path)
		}
	}
	if diff := cmp.Diff([]any{"a.example", "a.example", "a.example"}, hosts); diff != "" {
		t.Error(diff)
	}
}

func TestDeadLettersByCause(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	s.failed("https://a.example/1", "https://b.example/1", "https://b.example/2")
	a := s.call(t, http.MethodGet, "/admin/dead-letters?group=cause", "")
	groups := a.list()
	if a.status != http.StatusOK || len(groups) != 2 || a.body["has_more"] != false {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	newest := s.call(t, http.MethodGet, "/admin/dead-letters?host=b.example&limit=1", "").list()[0]
	if groups[0]["newest"] != newest["created_at"] || groups[0]["oldest"] == groups[0]["newest"] {
		t.Errorf("%v, newest %v", groups[0], newest)
	}
	delete(groups[0], "oldest")
	delete(groups[0], "newest")
	want := map[string]any{
		"fingerprint": "source_not_found|fetch|b.example", "code": "source_not_found", "stage": "fetch", "host": "b.example",
		"count": 2.0, "replayed": 0.0, "example": map[string]any{"id": newest["id"], "detail": "the source answered 404"},
	}
	if diff := cmp.Diff(want, groups[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a = s.call(t, http.MethodGet, "/admin/dead-letters?group=cause&limit=1", "")
	if len(a.list()) != 1 || a.body["has_more"] != true || a.body["next_cursor"] != nil || a.header.Get("Link") != "" {
		t.Errorf("%s", a.raw)
	}
}

func TestDeadLetterParameters(t *testing.T) {
	t.Parallel()
	s := serve(t, web.Config{}, newService(t))
	for request, want := range map[string]map[string]string{
		"GET ?limit=0&replayed=yes&product_id=x&x=1": {"limit": "invalid_limit", "replayed": "invalid_boolean", "product_id": "invalid_id", "x": "unknown_parameter"},
		"GET ?limit=101": {"limit": "invalid_limit"},
		"GET ?created_after=9999-12-31T23:59:59.999999999-23:59":                           {"created_after": "invalid_time"},
		"GET ?created_after=0001-01-01T00:00:00%2B23:59":                                   {"created_after": "invalid_time"},
		"GET ?created_after=yesterday&created_before=2026-01-01T00:00:00+01:00":            {"created_after": "invalid_time", "created_before": "invalid_time"},
		"GET ?created_after=2026-01-02T00:00:00Z&created_before=2026-01-01T00:00:00Z":      {"created_before": "out_of_range"},
		"GET ?created_after=2026-01-02T00:00:00Z&created_before=2026-01-02T00:00:00Z&xs=1": {"created_before": "out_of_range", "xs": "unknown_parameter"},
		"GET ?cursor=x":                    {"cursor": "invalid"},
		"GET ?group=host":                  {"group": "invalid"},
		"GET ?group=cause&cursor=x":        {"cursor": "not_applicable"},
		"GET ?code=a&code=a":               {"code": "repeated_parameter"},
		"GET ?host=%00":                    {"host": "malformed_parameter"},
		"GET ?all=true":                    {"all": "unknown_parameter"},
		"DELETE ":                          {"all": "exactly_one"},
		"DELETE ?all=false":                {"all": "invalid"},
		"DELETE ?all=1":                    {"all": "invalid_boolean"},
		"DELETE ?all=true&host=a":          {"all": "exactly_one"},
		"DELETE ?fingerprnt=a":             {"fingerprnt": "unknown_parameter"},
		"DELETE ?limit=5":                  {"limit": "unknown_parameter"},
		"DELETE /" + anyUUID + "?all=true": {"all": "unknown_parameter"},
		"GET /replays/" + anyUUID + "?x=1": {"x": "unknown_parameter"},
	} {
		method, rest, _ := strings.Cut(request, " ")
		a := s.call(t, method, "/admin/dead-letters"+rest, "")
		t.Log(request)
		wantProblem(t, a, http.StatusBadRequest, "invalid_parameters")
		if diff := cmp.Diff(want, a.faults()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestDeleteDeadLetters(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{})
	id, _ := s.failed("https://a.example/1", "https://b.example/1", "https://b.example/2", "https://c.example/1")
	first, _ := s.call(t, http.MethodGet, "/admin/dead-letters", "").list()[0]["id"].(string)
	for _, step := range []struct {
		path    string
		deleted float64
	}{
		{"/" + first, 1},
		{"?fingerprint=" + url.QueryEscape("source_not_found|fetch|b.example"), 2},
		{"?fingerprint=" + url.QueryEscape("source_not_found|fetch|b.example"), 0},
		{"?all=true", 1},
	} {
		a := s.call(t, http.MethodDelete, "/admin/dead-letters"+step.path, "")
		if a.status != http.StatusOK || a.data()["deleted"] != step.deleted {
			t.Errorf("%s: %d %s", step.path, a.status, a.raw)
		}
	}
	wantProblem(t, s.call(t, http.MethodDelete, "/admin/dead-letters/"+first, ""), http.StatusNotFound, "not_found")
	wantProblem(t, s.call(t, http.MethodDelete, "/admin/dead-letters/replay", ""), http.StatusNotFound, "not_found")
	if got := s.call(t, http.MethodGet, "/products/"+id, "").data(); got["image_status"] != "failed" {
		t.Errorf("%v", got)
	}
}

func TestOperatorsRoutesNeedTheToken(t *testing.T) {
	t.Parallel()
	s := newShop(t, web.Config{AdminToken: "s3cret"})
	for _, route := range []string{
		"GET /admin/dead-letters", "HEAD /admin/dead-letters", "DELETE /admin/dead-letters?all=true", "DELETE /admin/dead-letters/" + anyUUID,
		"POST /admin/dead-letters/replay", "GET /admin/dead-letters/replays/" + anyUUID,
		"POST /products/" + owner + "/images/" + anyUUID + "/retry", "GET /products/" + owner + "/images/" + anyUUID + "/attempts",
	} {
		method, path, _ := strings.Cut(route, " ")
		for _, prefix := range []string{"", "/api"} {
			for _, header := range []string{"", "Bearer wrong"} {
				if a := s.call(t, method, prefix+path, "", "Authorization", header); a.status != http.StatusUnauthorized {
					t.Errorf("%s with %q: got %d", route, header, a.status)
				}
			}
			if a := s.call(t, method, prefix+path, "", "Authorization", "Bearer s3cret"); a.status == http.StatusUnauthorized {
				t.Errorf("%s with the token: got %d", route, a.status)
			}
		}
	}
}
