package web_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/product/web"
	"vitrine/product/web/health"
)

// hostile generates requests that are almost valid.
type hostile struct {
	rnd  *rand.Rand
	ids  []string // of products; the first quarter is deleted by the requests
	user string
}

func pick[T any](h *hostile, from ...T) T { return from[h.rnd.IntN(len(from))] }

// request returns the bytes of a complete request.
func (h *hostile) request() []byte {
	var b bytes.Buffer
	body := h.body()
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: vitrine\r\nConnection: close\r\n", h.line())
	fmt.Fprintf(&b, "Content-Type: %s\r\n", pick(h, "application/json", "application/json", "application/json", "application/json", "application/json", "application/merge-patch+json", "text/plain", "\xff", ""))
	for range h.rnd.IntN(3) {
		name := pick(h, "If-Match", "If-Match", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID", "Authorization", "Accept", "Range", "Content-Encoding", "X-Forwarded-For", "Cookie")
		value := pick(h, `"1"`, `W/"1"`, `W/"7000"`, `"x"`, `*`, `"1", "2"`, `"`, "Bearer x", "bytes=0-9", "identity", "\xff\xfe", strings.Repeat("a", 9000), "")
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	if h.rnd.IntN(4) == 0 {
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// line returns a method and a target, which mostly belong together.
func (h *hostile) line() string {
	id := pick(h, h.ids...)
	if h.rnd.IntN(4) == 0 {
		id = pick(h, h.user, owner, "x", "%00", "%ff", "%2f", "..", "%F0%9F%92%A1", strings.Repeat("9", 5000), "\xff")
	}
	method, path, _ := strings.Cut(pick(h, "POST /products", "POST /products", "GET /products", "GET /products/"+id, "HEAD /products/"+id,
		"PATCH /products/"+id, "PATCH /products/"+id, "DELETE /products/"+h.ids[h.rnd.IntN(len(h.ids)/4)], "POST /users", "GET /users/"+id, "GET /users/"+h.user,
		"GET /readyz", "GET //products", "GET /products/"+id+"/", "GET /%70roducts"), " ")
	if h.rnd.IntN(10) == 0 {
		method = pick(h, "GET", "HEAD", "POST", "PATCH", "PUT", "OPTIONS", "TRACE", "BREW", "QUERY")
	}
	return method + " " + pick(h, "", "/api") + path + h.query()
}

// query returns a query without blanks and control characters, which net/http would reject.
func (h *hostile) query() string {
	if h.rnd.IntN(2) == 0 {
		return ""
	}
	var pairs []string
	for range 1 + h.rnd.IntN(3) {
		key := pick(h, "user_id", "min_price", "max_price", "product_name", "limit", "cursor", "page", "%00", "Limit", "")
		value := pick(h, "1", "0", "-1", "100", "1e3", "1e99999", "%00", "%ff", "%zz", "%25_%5C", h.user, "AAAA", "eyJhIjoxfQ", "%27%3B--", strings.Repeat("z", 4000), "0.00005", "")
		pairs = append(pairs, key+"="+value)
	}
	return "?" + strings.Join(pairs, "&")
}

// body returns a valid body, or one with a few changed bytes.
func (h *hostile) body() []byte {
	value := func() string {
		return pick(h, `"a"`, `""`, `null`, `1`, `-0`, `1.00005`, `1e-9`, `1e999`, `true`, `[]`, `{}`, `["http://a.example/1"]`, `["x",null]`, `"\u0000"`, `"\ud800"`, `"\u202e"`,
			`"`+h.user+`"`, `"`+strings.Repeat("é", 201)+`"`, `"`+strings.Repeat("x", 10001)+`"`, strings.Repeat("[", 40)+strings.Repeat("]", 40))
	}
	var b bytes.Buffer
	switch h.rnd.IntN(5) {
	case 0: // valid
		fmt.Fprintf(&b, `{"user_id":%s,"product_name":"Lamp","product_price":12.5,"product_images":["http://a.example/%d.jpg"]}`, h.user, h.rnd.IntN(9))
	case 1:
		fmt.Fprintf(&b, `{"product_name":"Lamp %d","product_description":null}`, h.rnd.IntN(9))
	case 2:
		fmt.Fprintf(&b, `{"name":%s,"email":"%d@example.org"}`, value(), h.rnd.Int())
	default:
		b.WriteString("{")
		for i := range h.rnd.IntN(6) {
			name := pick(h, "user_id", "product_name", "product_description", "product_price", "product_images", "name", "email", "Product_Name", "id", "\\u0000")
			fmt.Fprintf(&b, `%s"%s":%s`, strings.Repeat(",", min(i, 1)), name, value())
		}
		b.WriteString("}")
	}
	body := b.Bytes()
	if h.rnd.IntN(3) == 0 {
		for range 1 + h.rnd.IntN(4) {
			body[h.rnd.IntN(len(body))] = pick(h, byte(0), '"', '{', '}', '\\', ',', 0xff, '0', ' ')
		}
	}
	return body
}

// send sends the bytes of a request and returns the status of the response.
func send(s *server, request []byte) (int, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	method, _, _ := strings.Cut(string(request), " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func TestNoRequestIsAnswered5xx(t *testing.T) {
	t.Parallel()
	const workers, each = 4, 750
	s := serve(t, web.Config{Checks: []health.Check{{Name: "postgresql", Required: true, Check: up}}}, newService(t))
	user := newUser(t, s)
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = newListing(t, s, user, "Lamp", "1")
	}
	seed := rand.Uint64()
	var mu sync.Mutex
	classes := map[int]int{}
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			h := &hostile{rnd: rand.New(rand.NewPCG(seed, uint64(worker))), ids: ids, user: user}
			for range each {
				request := h.request()
				status, err := send(s, request)
				if err != nil || status >= 500 || status < 200 {
					t.Errorf("seed %d: %.2000q: got %d, %v", seed, request, status, err)
				}
				mu.Lock()
				classes[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	// The requests are useful only if they reach every route.
	for _, status := range []int{200, 201, 400, 404, 405, 415, 422} {
		if classes[status] == 0 {
			t.Errorf("seed %d: no request was answered %d: %v", seed, status, classes)
		}
	}
	if lines := s.logs.all(t, "Request panicked"); len(lines) > 0 {
		t.Errorf("seed %d: %v", seed, lines[0])
	}
	t.Logf("seed %d: %v", seed, classes)
}
