package testenv

import (
	"context"
	"crypto/rand"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vitrine/storage"
)

// AnyAge is an age that every stored object exceeds.
const AnyAge = time.Nanosecond

// Bucket is a bucket of its own on the S3 server.
type Bucket struct {
	*storage.Store
	t    testing.TB
	name string
}

// NewBucket returns an empty bucket, which is removed when the test ends.
func NewBucket(t testing.TB) Bucket {
	t.Helper()
	b := Bucket{t: t, name: "test-" + strings.ToLower(rand.Text())}
	b.Store = b.At(S3Server(t).Endpoint)
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatalf("S3 does not respond: start it with `make up` (%v)", err)
	}
	t.Cleanup(b.remove)
	return b
}

// At returns a store on the bucket that reaches the server at another endpoint.
func (b Bucket) At(endpoint string) *storage.Store {
	b.t.Helper()
	server := S3Server(b.t)
	store, err := storage.New(storage.Config{
		Endpoint: endpoint, Region: server.Region, Bucket: b.name, AccessKey: server.AccessKey, SecretKey: server.SecretKey,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return store
}

// AnonymousStore returns a store without credentials, to which the server denies access.
func AnonymousStore(t testing.TB) *storage.Store {
	t.Helper()
	store, err := storage.New(storage.Config{Endpoint: S3Server(t).Endpoint, Bucket: "test-" + strings.ToLower(rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// PutKeys stores a small object under each of the keys.
func (b Bucket) PutKeys(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		if err := b.Put(b.t.Context(), key, "image/jpeg", []byte("x")); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Keys returns the keys of all objects.
func (b Bucket) Keys() []string {
	b.t.Helper()
	var keys []string
	for _, prefix := range []string{"originals/", "other/", "products/", "uploads/"} {
		objects, err := b.List(b.t.Context(), prefix, "", 1000)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, o := range objects {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// Get returns the body and the content type of an object.
func (b Bucket) Get(key string) (body []byte, contentType string) {
	b.t.Helper()
	object, err := b.client().GetObject(b.t.Context(), b.name, key, minio.GetObjectOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	info, err := object.Stat()
	if err != nil {
		b.t.Fatalf("%s: %v", key, err)
	}
	if body, err = io.ReadAll(object); err != nil {
		b.t.Fatalf("%s: %v", key, err)
	}
	return body, info.ContentType
}

// client returns a client for what storage.Store does not do.
func (b Bucket) client() *minio.Client {
	b.t.Helper()
	server := S3Server(b.t)
	u, err := url.Parse(server.Endpoint)
	if err != nil {
		b.t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""), Region: server.Region})
	if err != nil {
		b.t.Fatal(err)
	}
	return client
}

func (b Bucket) remove() {
	client := b.client()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for object := range client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Recursive: true}) {
		if err := client.RemoveObject(ctx, b.name, object.Key, minio.RemoveObjectOptions{}); err != nil {
			b.t.Error(err)
		}
	}
	if err := client.RemoveBucket(ctx, b.name); err != nil {
		b.t.Error(err)
	}
}

// Deleter stands in for the object store and records what is deleted.
type Deleter struct {
	// Before is called before each deletion. An error from it fails the deletion.
	Before func() error
	// Deleted receives the prefixes and keys.
	Deleted chan string
}

// DeletePrefix records the prefix.
func (d Deleter) DeletePrefix(_ context.Context, prefix string) error {
	if d.Before != nil {
		if err := d.Before(); err != nil {
			return err
		}
	}
	d.Deleted <- prefix
	return nil
}

// Delete records the key, but not that of an original, which is deleted together with a
// prefix.
func (d Deleter) Delete(ctx context.Context, key string) error {
	if strings.HasPrefix(key, "originals/") {
		return nil
	}
	return d.DeletePrefix(ctx, key)
}
