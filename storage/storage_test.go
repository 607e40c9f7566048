package storage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vitrine/bench/testenv"
	"vitrine/storage"
)

// settings name a bucket of the test's own, which does not exist yet and is
// removed when the test ends.
func settings(t *testing.T) storage.Config {
	t.Helper()
	server := testenv.S3Server(t)
	cfg := storage.Config{
		Endpoint:  server.Endpoint,
		Region:    server.Region,
		Bucket:    "test-" + strings.ToLower(rand.Text()),
		AccessKey: server.AccessKey,
		SecretKey: server.SecretKey,
	}
	client := admin(t, cfg)
	t.Cleanup(func() {
		ctx := context.Background()
		for object := range client.ListObjectsIter(ctx, cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
			if object.Err == nil {
				client.RemoveObject(ctx, cfg.Bucket, object.Key, minio.RemoveObjectOptions{})
			}
		}
		client.RemoveBucket(ctx, cfg.Bucket)
	})
	return cfg
}

// admin is a client to look behind the store with.
func admin(t *testing.T, cfg storage.Config) *minio.Client {
	t.Helper()
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure: u.Scheme == "https",
		Region: cfg.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func open(t *testing.T, cfg storage.Config) *storage.Store {
	t.Helper()
	s, err := storage.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ready is a store whose bucket is there.
func ready(t *testing.T, cfg storage.Config) *storage.Store {
	t.Helper()
	s := open(t, cfg)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatalf("start the servers with make up: %v", err)
	}
	return s
}

func put(t *testing.T, s *storage.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, "image/jpeg", []byte(body)); err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
}

// page is what an anonymous client gets.
type page struct {
	Status                    int
	ContentType, CacheControl string
	Body                      string
}

func get(t *testing.T, address string) page {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		return page{Status: answer.StatusCode}
	}
	return page{answer.StatusCode, answer.Header.Get("Content-Type"), answer.Header.Get("Cache-Control"), string(body)}
}

func found(contentType, body string) page {
	return page{http.StatusOK, contentType, "public, max-age=31536000, immutable", body}
}

// list returns the keys that the bucket holds.
func list(t *testing.T, cfg storage.Config) []string {
	t.Helper()
	var keys []string
	for object := range admin(t, cfg).ListObjectsIter(t.Context(), cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

func TestPutIsReadableAtItsURL(t *testing.T) {
	t.Parallel()
	s := ready(t, settings(t))
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<20)) // 16 MiB, above the size of a part
	for _, tc := range []struct{ name, key, contentType, body string }{
		{"a picture", "products/7/main.jpg", "image/jpeg", "\xff\xd8\x00picture"},
		{"nothing", "products/7/empty.png", "image/png", ""},
		{"much", "products/7/large.jpg", "image/jpeg", large},
		{"odd names", "products/7/a b+c%20ä?#&.jpg", "image/jpeg", "odd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := s.Put(t.Context(), tc.key, tc.contentType, []byte(tc.body)); err != nil {
				t.Fatal(err)
			}
			if got := get(t, s.URL(tc.key)); got != found(tc.contentType, tc.body) {
				t.Errorf("got %.200v", fmt.Sprint(got))
			}
		})
	}
}

func TestPutAgain(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	put(t, s, "products/7/main.jpg", "first")
	put(t, s, "products/7/main.jpg", "second")
	if got := get(t, s.URL("products/7/main.jpg")); got != found("image/jpeg", "second") {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"products/7/main.jpg"}, list(t, cfg)); diff != "" {
		t.Error(diff)
	}
}

func TestDeletePrefix(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	for _, key := range []string{"products/7/a/main.jpg", "products/7/a/thumb.jpg", "products/7/b.jpg", "products/70/main.jpg", "products/8/main.jpg"} {
		put(t, s, key, "x")
	}
	for range 2 { // the second time there is nothing left
		if err := s.DeletePrefix(t.Context(), "products/7/"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"products/70/main.jpg", "products/8/main.jpg"}, list(t, cfg)); diff != "" {
			t.Error(diff)
		}
	}
	for _, prefix := range []string{"", "/", "//", "///", "products", "products/", "products//", "/products/", "products/7", "products/70/main.jpg"} {
		if err := s.DeletePrefix(t.Context(), prefix); err == nil {
			t.Errorf("prefix %q was accepted", prefix)
		}
	}
	if got := list(t, cfg); len(got) != 2 {
		t.Errorf("left are %q", got)
	}
}

func TestDeletePrefixOfManyObjects(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	const count = 1005 // more than one page of a listing and of a bulk delete
	keys := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range keys {
				if err := s.Put(t.Context(), fmt.Sprintf("products/7/%d", i), "image/jpeg", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range count {
		keys <- i
	}
	close(keys)
	wg.Wait()
	if err := s.DeletePrefix(t.Context(), "products/7/"); err != nil {
		t.Error(err)
	}
	if left := list(t, cfg); len(left) != 0 {
		t.Errorf("%d objects are left", len(left))
	}
}
