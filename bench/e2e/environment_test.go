package e2e_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"

	"vitrine/bench/testenv"
)

// servers returns the settings of a new installation on the real servers, with an
// empty schema, a bucket and queues that are removed when the test ends.
func servers(t *testing.T) map[string]string {
	t.Helper()
	name := "test-" + uuid.NewString()
	settings := map[string]string{
		"DATABASE_URL":   testenv.EmptyDSN(t),
		"QUEUE_PREFIX":   name + ".",
		"S3_BUCKET_NAME": name,
		"HTTP_ADDR":      "127.0.0.1:0",
		"ADMIN_ADDR":     "off",
		"DRAIN_DELAY":    "0s",
		"WEBP_SIZES":     "off", // an image that is ready has all its variants
	}
	for _, key := range []string{"REDIS_URL", "RABBITMQ_URL", "S3_ENDPOINT", "AWS_REGION", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"} {
		settings[key] = testenv.Setting(t, key)
	}
	t.Cleanup(func() {
		removeQueues(t, settings["RABBITMQ_URL"], settings["QUEUE_PREFIX"])
		removeBucket(t, settings)
	})
	return settings
}

// removeQueues deletes the queues and the exchange with the prefix.
func removeQueues(t *testing.T, url, prefix string) {
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Errorf("remove queues: %v", err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Errorf("remove queues: %v", err)
		return
	}
	for _, queue := range []string{"images", "images.dead"} {
		if _, err := ch.QueueDelete(prefix+queue, false, false, false); err != nil {
			t.Errorf("remove queue: %v", err)
		}
	}
	if err := ch.ExchangeDelete(prefix+"images.dlx", false, false); err != nil {
		t.Errorf("remove exchange: %v", err)
	}
}

// s3 returns a client of the real server, also when the settings name a proxy.
func s3(t *testing.T, settings map[string]string) *minio.Client {
	t.Helper()
	u, err := url.Parse(testenv.S3Server(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(settings["AWS_ACCESS_KEY"], settings["AWS_SECRET_KEY"], ""),
		Region: settings["AWS_REGION"],
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// removeBucket deletes the bucket and the objects in it.
func removeBucket(t *testing.T, settings map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, bucket := s3(t, settings), settings["S3_BUCKET_NAME"]
	for object := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err == nil {
			object.Err = client.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{})
		}
		if object.Err != nil && minio.ToErrorResponse(object.Err).Code != minio.NoSuchBucket {
			t.Errorf("remove object: %v", object.Err)
		}
	}
	if err := client.RemoveBucket(ctx, bucket); err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchBucket {
		t.Errorf("remove bucket: %v", err)
	}
}

// objects returns the keys in the bucket.
func objects(t *testing.T, settings map[string]string) []string {
	t.Helper()
	var keys []string
	for object := range s3(t, settings).ListObjectsIter(t.Context(), settings["S3_BUCKET_NAME"], minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

// source serves pictures on loopback, allows the service to fetch from there in the
// settings, and returns the URL.
func source(t *testing.T, settings map[string]string, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	settings["FETCH_ALLOW_CIDRS"] = "127.0.0.1/32"
	settings["FETCH_ALLOW_PORTS"] = port
	return server.URL
}

// files returns a handler that serves content by path.
func files(content map[string][]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := content[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}
}

// behind puts a proxy in front of the server that the setting named key has the URL
// of. It returns settings with the proxy's address, and the proxy.
func behind(t *testing.T, settings map[string]string, key string) (map[string]string, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(settings[key])
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.NewProxy(t, u.Host)
	u.Host = proxy.Addr
	changed := maps.Clone(settings)
	changed[key] = u.String()
	return changed, proxy
}

// sameObjects fails the test unless the bucket holds exactly the variants of the
// products.
func sameObjects(t *testing.T, settings map[string]string, products []product) {
	t.Helper()
	want := map[string]bool{}
	for _, p := range products {
		for _, image := range p.Images {
			for _, v := range image.Variants {
				_, key, found := strings.Cut(v.URL, "/"+settings["S3_BUCKET_NAME"]+"/")
				if !found {
					t.Fatalf("URL %s does not name the bucket", v.URL)
				}
				want[key] = true
			}
		}
	}
	for _, key := range objects(t, settings) {
		if !want[key] {
			t.Errorf("object %s is no variant of an image", key)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("object %s is missing", key)
	}
}
