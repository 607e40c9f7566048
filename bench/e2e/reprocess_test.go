package e2e_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// TestReprocessing kills the process while it makes the WebP variants of a ready image.
// The next process makes them, and reprocesses the image when it is asked to.
func TestReprocessing(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["WEBP_SIZES"] = "main,large"
	from := source(t, settings, files(map[string][]byte{"/logo.png": imagingtest.PNG(imagingtest.Logo(1200, 1200))}))
	db, err := sql.Open("postgres", settings["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	v := start(t, settings)
	p := v.newProduct(v.newUser(), from+"/logo.png")
	waitFor(t, time.Minute, "the start of the WebP job", func() error {
		var begun bool
		if err := db.QueryRow(`SELECT EXISTS (SELECT 1 FROM images WHERE reprocessing = 'webp' AND attempts = 1)`).Scan(&begun); err != nil || !begun {
			return errors.Join(err, errors.New("not yet"))
		}
		return nil
	})
	v.kill()
	if _, err := db.Exec(`UPDATE images SET lease_until = now() - interval '1 minute', queued_at = now() - interval '1 minute'`); err != nil {
		t.Fatal(err)
	}

	v = start(t, settings)
	v.waitReady()
	waitFor(t, time.Minute, "the WebP variants", func() error {
		p = v.settled(p.ID, time.Minute)
		if n := len(webps(p)); n == 0 || p.Status != "ready" {
			return fmt.Errorf("%s with %d", p.Status, n)
		}
		return nil
	})
	if p.Images[0].Format != "png" || p.Compressed[0] != p.Images[0].Variants[0].URL {
		t.Errorf("the main variant is a %s", p.Images[0].Format)
	}
	waitFor(t, 30*time.Second, "the deletion of the original", func() error {
		for _, key := range objects(t, settings) {
			if strings.HasPrefix(key, "originals/") {
				return errors.New(key)
			}
		}
		return nil
	})
	sameObjects(t, settings, []product{p})
	for accept, format := range map[string]string{"image/avif,image/webp,*/*;q=0.8": "image/webp", "*/*": "image/png"} {
		req, err := http.NewRequest(http.MethodGet, v.url+p.path()+"/images/"+p.Images[0].ID+"/file?size=large", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := client.Do(req) // it follows the redirect
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != format {
			t.Errorf("Accept: %s got %s %s", accept, resp.Status, got)
		}
	}

	if out, failed := vitrine(t, settings, "reprocess"); failed || out != "0 images will be reprocessed\n" {
		t.Errorf("reprocess: %s", out)
	}
	if out, failed := vitrine(t, settings, "reprocess", "-all"); failed || out != "1 images will be reprocessed\n" {
		t.Errorf("reprocess -all: %s", out)
	}
	v.must(202, "POST", p.path()+"/reprocess", nil, nil)
	waitFor(t, time.Minute, "the end of the reprocessing", func() error {
		var attempts []struct{ Outcome string }
		v.must(200, "GET", p.path()+"/images/"+p.Images[0].ID+"/attempts", nil, &attempts)
		if attempts[0].Outcome != "unchanged" {
			return errors.New(attempts[0].Outcome)
		}
		return nil
	})
	if after := v.settled(p.ID, time.Minute); after.Version != p.Version {
		t.Errorf("version %d after %d", after.Version, p.Version)
	}
}

// TestTerminationHandsReprocessingBack stops a process that makes WebP variants. It
// exits in time, and the attempt is not counted.
func TestTerminationHandsReprocessingBack(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["WEBP_SIZES"] = "main,large,small"
	photo := imagingtest.JPEG(imagingtest.Photo(2400, 1800, 1), 92, 1)
	from := source(t, settings, files(map[string][]byte{"/photo.jpg": photo}))
	db, err := sql.Open("postgres", settings["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	attempts := func() (n int, err error) {
		err = db.QueryRow(`SELECT attempts FROM images WHERE status = 'ready'`).Scan(&n)
		return n, err
	}
	v := startProgram(t, deployed, settings)
	p := v.newProduct(v.newUser(), from+"/photo.jpg")
	waitFor(t, time.Minute, "the start of the WebP job", func() error {
		n, err := attempts()
		if err == nil && n != 1 {
			err = fmt.Errorf("%d attempts", n)
		}
		return err
	})
	if took := v.terminate(); took > 20*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if v.err != nil {
		t.Errorf("vitrine exited with %v", v.err)
	}
	if n, err := attempts(); err != nil || n != 0 {
		t.Errorf("%d attempts were counted, error %v", n, err)
	}

	v = startProgram(t, deployed, settings)
	v.waitReady()
	waitFor(t, time.Minute, "the WebP variants", func() error {
		if p = v.settled(p.ID, time.Minute); len(webps(p)) == 0 {
			return errors.New("none yet")
		}
		return nil
	})
}

// webps returns the URLs of the WebP variants of the first image.
func webps(p product) (urls []string) {
	for _, variant := range p.Images[0].Variants {
		if variant.Format == "webp" {
			urls = append(urls, variant.URL)
		}
	}
	return urls
}
