package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// TestOutages holds the table of failures in the documentation: what still works while
// one server is stopped or frozen, and that everything resumes when it is back.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		server, variable string
		wait             bool // images wait for the server
	}{
		{"RabbitMQ", "RABBITMQ_URL", true},
		{"Redis", "REDIS_URL", false},
		{"S3", "S3_ENDPOINT", true},
	} {
		for _, frozen := range []bool{false, true} {
			name := tt.server + " stopped"
			if frozen {
				name = tt.server + " frozen"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				settings := servers(t)
				from := source(t, settings, files(map[string][]byte{"/a.png": imagingtest.PNG(imagingtest.Logo(200, 200))}))
				settings["S3_PUBLIC_URL"] = settings["S3_ENDPOINT"] + "/" + settings["S3_BUCKET_NAME"]
				through, proxy := behind(t, settings, tt.variable)
				v := start(t, through)
				user := v.newUser()
				if p := v.settled(v.newProduct(user, from+"/a.png").ID, time.Minute); p.Status != "ready" {
					t.Fatalf("the image is %s before the outage", p.Status)
				}

				if frozen {
					proxy.Stall()
				} else {
					proxy.Refuse()
				}
				p := v.newProduct(user, from+"/a.png")
				v.must(200, "PATCH", p.path(), map[string]any{"product_name": "During"}, nil)
				var during product
				v.must(200, "GET", p.path(), nil, &during)
				if during.Name != "During" {
					t.Errorf("a read during the outage returned the name %q", during.Name)
				}
				if !tt.wait {
					if p := v.settled(p.ID, time.Minute); p.Status != "ready" {
						t.Errorf("the image is %s during the outage", p.Status)
					}
				}

				if frozen {
					proxy.Resume()
				} else {
					proxy.Accept()
				}
				if p = v.settled(p.ID, 90*time.Second); p.Status != "ready" || p.Images[0].Attempts != 1 {
					t.Errorf("the image is %s after %d attempts, want ready after 1", p.Status, p.Images[0].Attempts)
				}
				checkObject(t, p.Compressed[0], "png", 200, 200, p.Images[0].Bytes)
			})
		}
	}
}

// TestOutageOfPostgreSQL stops and freezes PostgreSQL. Writes fail with a 503; cached
// products are still served.
func TestOutageOfPostgreSQL(t *testing.T) {
	t.Parallel()
	settings, proxy := behind(t, servers(t), "DATABASE_URL")
	v := start(t, settings)
	user := v.newUser()
	cached := v.newProduct(user)
	waitFor(t, 10*time.Second, "a read from the cache", func() error {
		if a := v.must(200, "GET", cached.path(), nil, nil); a.header.Get("X-Cache") != "HIT" {
			return errors.New(a.Message)
		}
		return nil
	})

	for _, outage := range []struct {
		name       string
		begin, end func()
	}{
		{"frozen", proxy.Stall, proxy.Resume},
		{"stopped", proxy.Refuse, proxy.Accept},
	} {
		other := v.newProduct(user) // never read, so not cached
		outage.begin()
		waitFor(t, 10*time.Second, "a cached response that names the outage", func() error {
			a := v.must(200, "GET", cached.path(), nil, nil)
			return wantCacheStatus(a, "vitrine; hit; detail=database-unavailable")
		})
		for _, request := range []struct {
			method, path string
			body         any
		}{
			{"GET", other.path(), nil},
			{"GET", "/products", nil},
			{"POST", "/products", map[string]any{"user_id": user, "product_name": "x", "product_price": 1}},
			{"PATCH", other.path(), map[string]any{"product_name": "x"}},
		} {
			begun := time.Now()
			a := v.must(503, request.method, request.path, request.body, nil)
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("%s: %s %s took %s", outage.name, request.method, request.path, took)
			}
			if a.header.Get("Retry-After") == "" {
				t.Errorf("%s: %s %s has no Retry-After", outage.name, request.method, request.path)
			}
		}
		outage.end()
		waitFor(t, 30*time.Second, "a write after "+outage.name, func() error {
			a, err := v.call("PATCH", other.path(), map[string]any{"product_name": "After"})
			if err != nil || a.status != http.StatusOK {
				return errors.Join(errors.New(a.Message), err)
			}
			return nil
		})
		waitFor(t, 10*time.Second, "a cached response that names no outage", func() error {
			return wantCacheStatus(v.must(200, "GET", cached.path(), nil, nil), "vitrine; hit")
		})
	}
}

func wantCacheStatus(a answer, want string) error {
	if got := a.header.Get("Cache-Status"); got != want {
		return fmt.Errorf("Cache-Status is %q, want %q", got, want)
	}
	return nil
}

// TestStartWithoutServers starts the service while none of its servers can be reached.
// It listens and reports that it is not ready.
func TestStartWithoutServers(t *testing.T) {
	t.Parallel()
	v := start(t, map[string]string{
		"DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/none?sslmode=disable", "REDIS_URL": "redis://127.0.0.1:1",
		"RABBITMQ_URL": "amqp://127.0.0.1:1/", "S3_ENDPOINT": "http://127.0.0.1:1",
		"HTTP_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "DRAIN_DELAY": "0s",
	})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		resp, err := client.Get(v.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	v.must(503, "GET", "/products", nil, nil)
	if took := v.terminate(); took > 20*time.Second || v.err != nil {
		t.Errorf("the stop took %s, error %v", took, v.err)
	}
}
