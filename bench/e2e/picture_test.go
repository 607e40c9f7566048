package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// TestPicture follows pictures from the POST to the objects in S3, and to their
// deletion.
func TestPicture(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	content := map[string][]byte{
		"/turned.jpg": imagingtest.JPEG(imagingtest.Stored(imagingtest.Photo(2400, 1800, 1), 6), 90, 6),
		"/logo.png":   imagingtest.PNG(imagingtest.Logo(900, 900)),
		"/small.webp": imagingtest.WebP(imagingtest.Photo(300, 200, 2)),
	}
	from := source(t, settings, files(content))
	v := startProgram(t, deployed, settings)
	created := v.newProduct(v.newUser(), from+"/turned.jpg", from+"/logo.png", from+"/small.webp")
	if created.Status != "pending" || created.Compressed != nil {
		t.Errorf("created as %s with %v, want pending with null", created.Status, created.Compressed)
	}

	p := v.settled(created.ID, time.Minute)
	if p.Status != "ready" || len(p.Compressed) != 3 {
		t.Fatalf("settled as %s with %v", p.Status, p.Compressed)
	}
	for i, want := range []struct {
		format        string
		width, height int
	}{
		{"jpeg", 1600, 1200}, {"png", 900, 900}, {"jpeg", 300, 200},
	} {
		im := p.Images[i]
		if im.Format != want.format || im.Width != want.width || im.Height != want.height || im.Attempts != 1 {
			t.Errorf("%s became %s of %d x %d in attempt %d; want %+v", im.Source, im.Format, im.Width, im.Height, im.Attempts, want)
		}
		if p.Compressed[i] != im.Variants[0].URL || im.Bytes != im.Variants[0].Bytes {
			t.Errorf("the main variant of %s is not the one that the product lists", im.Source)
		}
		if size := int64(len(content[strings.TrimPrefix(im.Source, from)])); im.Bytes >= size {
			t.Errorf("%s grew from %d to %d bytes", im.Source, size, im.Bytes)
		}
		for _, variant := range im.Variants {
			checkObject(t, variant.URL, variant.Format, variant.Width, variant.Height, variant.Bytes)
		}
	}
	sameObjects(t, settings, []product{p})

	t.Run("reads are cached, and writes are visible at once", func(t *testing.T) {
		waitFor(t, 10*time.Second, "a read from the cache", func() error {
			a := v.must(200, "GET", p.path(), nil, nil)
			if a.Message != "Product retrieved from cache" || a.header.Get("X-Cache") != "HIT" {
				return errors.New(a.Message)
			}
			return nil
		})
		v.must(200, "PATCH", p.path(), map[string]any{"product_price": 0.10}, nil)
		var after product
		v.must(200, "GET", p.path(), nil, &after)
		if after.Price.String() != "0.10" && after.Price.String() != "0.1" || after.Version <= p.Version {
			t.Errorf("price %s in version %d after the write of 0.1 to version %d", after.Price, after.Version, p.Version)
		}
		if after.Status != "ready" {
			t.Errorf("the images are %s after a change of the price", after.Status)
		}
	})

	t.Run("replaced and deleted images leave no object", func(t *testing.T) {
		v.must(200, "PATCH", p.path(), map[string]any{"product_images": []string{from + "/logo.png"}}, &p)
		if p.Status != "ready" || len(p.Images) != 1 {
			t.Errorf("the image that was kept is %s", p.Status)
		}
		waitFor(t, 20*time.Second, "the deletion of two images", func() error {
			for _, key := range objects(t, settings) {
				if strings.HasSuffix(key, ".jpg") {
					return errors.New(key)
				}
			}
			return nil
		})
		sameObjects(t, settings, []product{p})
		v.must(200, "DELETE", p.path(), nil, nil)
		v.must(404, "GET", p.path(), nil, nil)
		waitFor(t, 20*time.Second, "the deletion of all images", func() error {
			if keys := objects(t, settings); len(keys) > 0 {
				return errors.New(keys[0])
			}
			return nil
		})
	})
}

// TestOriginalRequest sends the example request of the original system to a new service
// without access control. Only the URL of the picture is different.
func TestOriginalRequest(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	from := source(t, settings, files(map[string][]byte{"/image1.jpg": imagingtest.JPEG(imagingtest.Photo(800, 600, 3), 95, 1)}))
	v := start(t, settings)
	v.waitReady()
	resp, err := client.Post(v.url+"/products", "application/json", strings.NewReader(`{
  "user_id": 23,
  "product_name": "Sample Product",
  "product_description": "This is a sample product description.",
  "product_images": ["`+from+`/image1.jpg"],
  "product_price": 99.99
}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var created struct {
		Message string
		Data    struct {
			product
			User int64 `json:"user_id"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&created); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("status %s, error %v: %s", resp.Status, err, created.Message)
	}
	p := created.Data
	if created.Message != "Product created successfully" || p.ID < 1 || p.User != 23 || resp.Header.Get("Location") != p.path() {
		t.Errorf("%s, id %d of user %d at %s", created.Message, p.ID, p.User, resp.Header.Get("Location"))
	}
	settled := v.settled(p.ID, time.Minute)
	if settled.ID != p.ID || settled.Status != "ready" || len(settled.Compressed) != 1 || settled.Price.String() != "99.99" {
		t.Fatalf("%+v", settled)
	}
	for _, variant := range settled.Images[0].Variants {
		checkObject(t, variant.URL, variant.Format, variant.Width, variant.Height, variant.Bytes)
	}
	sameObjects(t, settings, []product{settled})
}

// checkObject fetches a variant by its URL and checks its header, size and pixels.
func checkObject(t *testing.T, url, format string, width, height int, size int64) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if got := resp.Header.Get("Content-Type"); got != "image/"+format {
		t.Errorf("%s: content type %s", url, got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("%s: cache control %q", url, got)
	}
	if int64(len(body)) != size {
		t.Errorf("%s: %d bytes, want %d", url, len(body), size)
	}
	im, got, err := image.Decode(bytes.NewReader(body))
	if err != nil || got != format || im.Bounds().Dx() != width || im.Bounds().Dy() != height {
		t.Errorf("%s: decoded as %s of %v, error %v; want %s of %d x %d", url, got, im.Bounds(), err, format, width, height)
	}
}
