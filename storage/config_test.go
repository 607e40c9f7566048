package storage_test

import (
	"strings"
	"testing"

	"vitrine/storage"
)

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:9000"
	for name, cfg := range map[string]storage.Config{
		"no bucket":            {Endpoint: endpoint},
		"half of the keys":     {Endpoint: endpoint, Bucket: "b", AccessKey: "a"},
		"other half":           {Endpoint: endpoint, Bucket: "b", SecretKey: "hunter2"},
		"no scheme":            {Endpoint: "127.0.0.1:9000", Bucket: "b"},
		"other scheme":         {Endpoint: "ftp://127.0.0.1", Bucket: "b"},
		"no host":              {Endpoint: "http://", Bucket: "b"},
		"endpoint with path":   {Endpoint: endpoint + "/b", Bucket: "b"},
		"endpoint with user":   {Endpoint: "http://root:hunter2@127.0.0.1:9000", Bucket: "b"},
		"unparsable endpoint":  {Endpoint: "http://root:hunter2@%zz", Bucket: "b"},
		"public URL, query":    {Endpoint: endpoint, Bucket: "b", PublicURL: "https://cdn.example/?token=hunter2"},
		"public URL, no host":  {Endpoint: endpoint, Bucket: "b", PublicURL: "/pictures"},
		"public URL, with key": {Endpoint: endpoint, Bucket: "b", PublicURL: "https://cdn.example/#hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := storage.New(cfg)
			if err == nil {
				t.Fatal("New accepted it")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		cfg  storage.Config
		key  string
		want string
	}{
		{"endpoint", storage.Config{Endpoint: "http://127.0.0.1:9000", Bucket: "b"}, "products/7/a.jpg", "http://127.0.0.1:9000/b/products/7/a.jpg"},
		{"endpoint with slash", storage.Config{Endpoint: "https://s3.example/", Bucket: "b"}, "products/7/a.jpg", "https://s3.example/b/products/7/a.jpg"},
		{"public URL", storage.Config{Endpoint: "http://minio:9000", Bucket: "b", PublicURL: "https://cdn.example/pictures/"}, "products/7/a.jpg", "https://cdn.example/pictures/products/7/a.jpg"},
		{"AWS", storage.Config{Region: "eu-central-1", Bucket: "b"}, "products/7/a.jpg", "https://b.s3.eu-central-1.amazonaws.com/products/7/a.jpg"},
		{"AWS, default region", storage.Config{Bucket: "b"}, "k", "https://b.s3.us-east-1.amazonaws.com/k"},
		{"AWS, dotted bucket", storage.Config{Region: "eu-central-1", Bucket: "a.b"}, "k", "https://s3.eu-central-1.amazonaws.com/a.b/k"},
		{"escapes", storage.Config{Endpoint: "http://h", Bucket: "b"}, "products/ä b/c+d?e#f%2F.jpg", "http://h/b/products/%C3%A4%20b/c%2Bd%3Fe%23f%252F.jpg"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := open(t, tc.cfg).URL(tc.key); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
