package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"vitrine/storage"
)

// post sends a form as a browser does: the fields, then the file.
func post(t *testing.T, url string, fields map[string]string, file []byte) int {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", "picture.jpg")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	form.Close()
	answer, err := http.Post(url, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// read returns an object as the service sees it.
func read(t *testing.T, s *storage.Store, key string) []byte {
	t.Helper()
	body, size, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil || int64(len(content)) != size {
		t.Fatalf("%d bytes of %d, %v", len(content), size, err)
	}
	return content
}

func TestPresignedPost(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	form := func(key string, limit int64, life time.Duration) (string, map[string]string) {
		url, fields, err := s.PresignPost(t.Context(), key, limit, time.Now().Add(life))
		if err != nil {
			t.Fatal(err)
		}
		return url, fields
	}
	url, fields := form("uploads/a/1", 1000, time.Minute)
	for name, file := range map[string][]byte{"empty": {}, "a byte too long": make([]byte, 1001)} {
		if status := post(t, url, fields, file); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, status)
		}
	}
	other := map[string]string{}
	for name, value := range fields {
		other[name] = value
	}
	for _, key := range []string{"uploads/a/2", "products/1/main.jpg"} {
		other["key"] = key
		if status := post(t, url, other, []byte("x")); status != http.StatusForbidden {
			t.Errorf("another key: status %d", status)
		}
	}
	if keys := list(t, cfg); len(keys) != 0 {
		t.Errorf("refused files are stored: %q", keys)
	}
	late, expired := form("uploads/a/3", 1000, -time.Minute)
	if status := post(t, late, expired, []byte("x")); status != http.StatusForbidden {
		t.Errorf("after its time: status %d", status)
	}

	file := bytes.Repeat([]byte("0123456789"), 100)
	if status := post(t, url, fields, file); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	if got := read(t, s, "uploads/a/1"); !bytes.Equal(got, file) {
		t.Errorf("%d bytes came back", len(got))
	}
	if got := get(t, s.URL("uploads/a/1")); got.Status != http.StatusForbidden {
		t.Errorf("everybody reads it: status %d", got.Status)
	}
}

func TestPresignedPostNamesTheUploadURL(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	for given, want := range map[string]string{"": cfg.Endpoint + "/" + cfg.Bucket, "https://up.example/b/": "https://up.example/b"} {
		cfg.UploadURL = given
		url, _, err := open(t, cfg).PresignPost(t.Context(), "uploads/a/1", 1, time.Now().Add(time.Minute))
		if err != nil || url != want {
			t.Errorf("%q, %v; want %q", url, err, want)
		}
	}
}

func TestPutStream(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := open(t, cfg) // whose bucket is made by the first one
	const part = 5 << 20
	for name, size := range map[string]int{"nothing": 0, "a-byte": 1, "a-part": part, "more": part + 1, "three-parts": 3 * part, "much": 3*part + 12345} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := make([]byte, size)
			for i := range content {
				content[i] = byte(i * i >> 8)
			}
			if err := s.PutStream(t.Context(), "uploads/a/"+name, "image/png", iotest.OneByteReader(bytes.NewReader(content[:min(size, 10)]))); err != nil {
				t.Fatal(err)
			}
			if err := s.PutStream(t.Context(), "uploads/a/"+name, "image/png", iotest.HalfReader(bytes.NewReader(content))); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "uploads/a/"+name); sha256.Sum256(got) != sha256.Sum256(content) {
				t.Errorf("%d bytes came back, want %d", len(got), size)
			}
			info, err := admin(t, cfg).StatObject(t.Context(), cfg.Bucket, "uploads/a/"+name, minio.StatObjectOptions{})
			if err != nil || info.ContentType != "image/png" || info.Metadata.Get("Cache-Control") != "" {
				t.Errorf("%s, %v, %v", info.ContentType, info.Metadata, err)
			}
		})
	}
}

func TestPutStreamThatBreaksOff(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	broken := errors.New("the client is gone")
	for _, before := range []int{0, 100, 5 << 20, 11 << 20} {
		body := io.MultiReader(bytes.NewReader(make([]byte, before)), iotest.ErrReader(broken))
		err := s.PutStream(t.Context(), "uploads/a/1", "image/png", body)
		if !errors.Is(err, broken) || errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("after %d bytes: %v", before, err)
		}
	}
	if keys := list(t, cfg); len(keys) != 0 {
		t.Errorf("left are %q", keys)
	}
	for part := range admin(t, cfg).ListIncompleteUploads(t.Context(), cfg.Bucket, "", true) {
		t.Errorf("parts are left: %+v", part)
	}
}

// TestPutStreamDoesNotWaitForTheSlow has more slow bodies than parts are sent at once.
func TestPutStreamDoesNotWaitForTheSlow(t *testing.T) {
	t.Parallel()
	s := ready(t, settings(t))
	var slow sync.WaitGroup
	ends := make([]*io.PipeWriter, 8)
	for i := range ends {
		body, end := io.Pipe()
		ends[i] = end
		slow.Go(func() {
			if err := s.PutStream(t.Context(), "uploads/a/"+string(rune('0'+i)), "image/png", body); err != nil {
				t.Error(err)
			}
		})
		end.Write([]byte("a")) // returns when it is read
	}
	if err := s.PutStream(t.Context(), "uploads/a/9", "image/png", strings.NewReader("x")); err != nil {
		t.Errorf("the ninth: %v", err)
	}
	for _, end := range ends {
		end.Close()
	}
	slow.Wait()
	for key := range 8 {
		if got := read(t, s, "uploads/a/"+string(rune('0'+key))); string(got) != "a" {
			t.Errorf("stored is %q", got)
		}
	}
}

// TestPutStreamSendsEightAtATime has a server that says nothing.
func TestPutStreamSendsEightAtATime(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			taken.Add(1)
			t.Cleanup(func() { conn.Close() })
		}
	}()
	t.Cleanup(func() { silent.Close() })
	cfg := settings(t)
	cfg.Endpoint, cfg.Timeout = "http://"+silent.Addr().String(), time.Second
	s := open(t, cfg)
	ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer stop()
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if err := s.PutStream(ctx, "uploads/a/1", "image/png", strings.NewReader("x")); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("gave %v", err)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != 8 {
		t.Errorf("%d were sent at once, want 8", n)
	}
}

func TestOpenAndDelete(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	if _, _, err := open(t, cfg).Open(t.Context(), "uploads/a/1"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a bucket: %v", err) // an operator's to mend
	}
	if err := open(t, cfg).Delete(t.Context(), "uploads/a/1"); err != nil {
		t.Errorf("delete without a bucket: %v", err)
	}
	s := ready(t, cfg)
	if _, _, err := s.Open(t.Context(), "uploads/a/1"); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("without an object: %v", err)
	}
	put(t, s, "uploads/a/1", "one")
	put(t, s, "uploads/a/11", "eleven")
	for range 2 {
		if err := s.Delete(t.Context(), "uploads/a/1"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"uploads/a/11"}, list(t, cfg)); diff != "" {
			t.Error(diff)
		}
	}
	cfg.Endpoint = "http://127.0.0.1:1"
	if _, _, err := open(t, cfg).Open(t.Context(), "uploads/a/11"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("out of reach: %v", err)
	}
}
