package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// TestHostileSources has the service fetch from sources that misbehave. Each image
// fails with the code of its cause, is filed as a dead letter, and the process stays
// small.
func TestHostileSources(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["FETCH_TIMEOUT"] = "2s"
	settings["IMAGE_MAX_ATTEMPTS"] = "2"
	settings["IMAGE_DECODE_TIMEOUT"] = "2s"
	content := map[string][]byte{
		"/page.html": imagingtest.HTML(),
		"/bomb.png":  imagingtest.PNGBomb(30000, 30000),
		"/bomb.gif":  imagingtest.GIFBomb(),
		"/bomb.webp": imagingtest.WebPBomb(),
		"/scans.jpg": imagingtest.ScanBomb(1000, 30000),
		"/half.jpg":  imagingtest.Truncated(imagingtest.JPEG(imagingtest.Photo(800, 600, 1), 85, 1)),
		"/empty":     {},
		"/good.jpg":  imagingtest.JPEG(imagingtest.Photo(4000, 3000, 1), 90, 1),
	}
	from := source(t, settings, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			w.Write([]byte("\xff\xd8\xff\xe0")) // the beginning of a JPEG
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/drip":
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := w.Write([]byte{0}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		case "/inward":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			files(content)(w, r)
		}
	})
	want := map[string]string{
		from + "/missing":                         "source_not_found",
		from + "/page.html":                       "unsupported_format",
		"http://169.254.169.254/latest/meta-data": "forbidden_address",
		"http://[::ffff:10.0.0.1]/a.jpg":          "forbidden_address",
		"http://localhost:22/":                    "forbidden_port",
		from + "/inward":                          "forbidden_address",
		from + "/endless":                         "body_too_large",
		from + "/drip":                            "fetch_timeout",
		from + "/bomb.png":                        "image_too_large",
		from + "/bomb.gif":                        "image_too_large",
		from + "/bomb.webp":                       "corrupt_image",
		from + "/scans.jpg":                       "decode_timeout",
		from + "/half.jpg":                        "corrupt_image",
		from + "/empty":                           "unsupported_format",
		from + "/broken":                          "source_unavailable",
		from + "/good.jpg":                        "",
	}

	v := startProgram(t, deployed, settings)
	user := v.newUser()
	ids := map[string]int64{}
	for url := range want {
		ids[url] = v.newProduct(user, url).ID
	}
	for url, code := range want {
		p := v.settled(ids[url], 90*time.Second)
		switch im := p.Images[0]; {
		case code == "" && im.Status != "ready":
			t.Errorf("%s is %s: %+v", url, im.Status, im.Error)
		case code != "" && (im.Error == nil || im.Error.Code != code || im.Error.Detail == ""):
			t.Errorf("%s is %s with %+v, want %s", url, im.Status, im.Error, code)
		}
	}
	waitForDeadLetters(t, settings["DATABASE_URL"], ids, want)
	if peak := peakMemory(t, v.cmd.Process.Pid); peak > 400<<20 {
		t.Errorf("the process used %d MiB at its peak", peak>>20)
	}
}

// waitForDeadLetters waits until each failed image has a dead letter with its code.
func waitForDeadLetters(t *testing.T, dsn string, ids map[string]int64, want map[string]string) {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	waitFor(t, 20*time.Second, "the dead letters", func() error {
		for url, code := range want {
			var filed string
			err := db.QueryRow(`SELECT coalesce(max(code), '') FROM dead_letters WHERE product_id = $1`, ids[url]).Scan(&filed)
			if err != nil {
				return err
			}
			if filed != code {
				return fmt.Errorf("%s is filed as %q, want %q", url, filed, code)
			}
		}
		return nil
	})
}

// peakMemory returns the peak resident memory of a process in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not report VmHWM")
	return 0
}
