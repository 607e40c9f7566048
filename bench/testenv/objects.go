package testenv

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vitrine/product/maintenance"
	"vitrine/storage"
)

// anyAge is less than the age of whatever was stored before.
const AnyAge = time.Nanosecond

// bucket is the objects of a test, in a bucket of its own.
type Bucket struct {
	*storage.Store
	t    *testing.T
	name string
}

func (b Bucket) PutKeys(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		if err := b.Put(b.t.Context(), key, "image/jpeg", []byte("x")); err != nil {
			b.t.Fatal(err)
		}
	}
}

// keys gives all keys, those under a prefix in place of which name stands.
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

// deleter records prefixes and keys and calls f before it answers.
type Deleter struct {
	Before  func() error
	Deleted chan string
}

func (d Deleter) DeletePrefix(_ context.Context, prefix string) error {
	if d.Before != nil {
		if err := d.Before(); err != nil {
			return err
		}
	}
	d.Deleted <- prefix
	return nil
}

func (d Deleter) Delete(ctx context.Context, key string) error {
	if strings.HasPrefix(key, "originals/") { // goes with the prefix
		return nil
	}
	return d.DeletePrefix(ctx, key)
}

// newAnonymous is a store that nobody lets in.
func AnonymousStore(t *testing.T) *storage.Store {
	t.Helper()
	store, err := storage.New(storage.Config{Endpoint: os.Getenv("S3_ENDPOINT"), Bucket: "test-" + strings.ToLower(rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func NewBucket(t *testing.T) Bucket {
	t.Helper()
	get := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			t.Fatalf("%s is not set: start the servers with `make up` and run the tests with `make test`", name)
		}
		return v
	}
	cfg := storage.Config{
		Endpoint: get("S3_ENDPOINT"), Region: os.Getenv("AWS_REGION"), Bucket: "test-" + strings.ToLower(rand.Text()),
		AccessKey: get("AWS_ACCESS_KEY"), SecretKey: get("AWS_SECRET_KEY"),
	}
	store, err := storage.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Ensure(t.Context()); err != nil {
		t.Fatalf("S3 does not answer: start it with `make up` (%v)", err)
	}
	t.Cleanup(func() { removeBucket(t, cfg) })
	return Bucket{store, t, cfg.Bucket}
}

// sweep looks at pages, without the wait for them, until a search is over.
func (c *Environment) Sweep(objects maintenance.Objects, cfg maintenance.SweepConfig) (pages int) {
	c.T.Helper()
	s := maintenance.NewSweeper(c.Store, c.Jobs, objects, cfg, Quiet())
	for pages = 1; ; pages++ {
		c.Exec(`UPDATE object_sweep SET due_at = now() - interval '1 second'`)
		if did, err := s.Page(c.T.Context()); err != nil || !did {
			c.T.Fatal(did, err)
		}
		if c.Count("object_sweep WHERE position = ''") == 1 {
			return pages
		}
	}
}

func removeBucket(t *testing.T, cfg storage.Config) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Region: cfg.Region})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for object := range client.ListObjectsIter(ctx, cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		if err := client.RemoveObject(ctx, cfg.Bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			t.Error(err)
		}
	}
	if err := client.RemoveBucket(ctx, cfg.Bucket); err != nil {
		t.Error(err)
	}
}
