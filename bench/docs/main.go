// Command docs looks at the pages under /docs with a real browser: headless
// Chromium, which it installs from Debian's packages where it is missing. They have
// to show every operation of the document, ask nobody for anything but themselves,
// and give the browser nothing to complain of.
//
// The browser talks to a server in this process, on loopback.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"vitrine/bench/contract/conform"
	"vitrine/bench/debian"
	"vitrine/product/web"
	"vitrine/product/web/admission"
	"vitrine/product/web/contract"
	"vitrine/product/web/problem"
)

func main() {
	shots := flag.String("screenshots", "", "folder for a screenshot of each page; empty for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := run(ctx, *shots); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, shots string) error {
	if err := debian.Need(ctx, "chromium", "chromium"); err != nil {
		return err
	}
	document, err := conform.New(contract.Load().JSON())
	if err != nil {
		return err
	}
	s, err := serve()
	if err != nil {
		return err
	}
	defer s.Close()
	profile, err := os.MkdirTemp("", "docs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	b := browser{profile: profile, shots: shots}
	if err := b.overviews(ctx, s, len(document.Operations)); err != nil {
		return err
	}
	for _, code := range []string{"validation_failed", "no_such_route"} { // they are all made in one way
		p, _ := problem.KindOf(code)
		if err := b.look(ctx, s, problem.Path+code, "900,1000", p.Title, code); err != nil {
			return err
		}
	}
	fmt.Println("the pages show every operation and request nothing from other origins")
	return nil
}

// overviews looks at the page of the whole API as a desk and as a phone show it,
// and under its second path.
func (b browser) overviews(ctx context.Context, s *server, operations int) error {
	for path, window := range map[string]string{"/docs": "1400,1000", "/docs?": "390,844", "/api/docs": "800,600"} {
		if err := b.look(ctx, s, path, window, "/products/{id}", "validation_failed", "source_not_found"); err != nil {
			return err
		}
		if n := strings.Count(s.page, `<span class="method `); n < 2*operations {
			return fmt.Errorf("%s shows %d of %d operations", path, n/2, operations)
		}
	}
	return nil
}

// server is the API, and what it was asked for.
type server struct {
	*http.Server
	url string

	mu    sync.Mutex
	asked []string
	page  string // the last DOM
}

// serve starts the API without a service: the pages need none.
func serve() (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	api := web.New(web.Config{}, web.Services{}, log, nil)
	s := &server{url: "http://" + listener.Addr().String()}
	s.Server = admission.NewServer("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		s.mu.Unlock()
		api.ServeHTTP(w, r)
	}), log)
	go s.Serve(listener)
	return s, nil
}

// browser starts Chromium for each page.
type browser struct{ profile, shots string }

// look opens a page. The texts have to be in it, and nothing may be asked for but
// the page itself.
func (b browser) look(ctx context.Context, s *server, path, window string, texts ...string) error {
	s.asked = nil
	log := filepath.Join(b.profile, "net.json")
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-default-apps", "--user-data-dir=" + b.profile,
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", // what the browser wants for itself stays here too
		"--enable-logging=stderr", "--log-net-log=" + log, "--window-size=" + window,
	}
	if b.shots != "" {
		name := strings.Trim(regexp.MustCompile(`\W+`).ReplaceAllString(path, "-"), "-") + "-" + strings.ReplaceAll(window, ",", "x") + ".png"
		shot := exec.CommandContext(ctx, "chromium", append(slices.Clone(args), "--screenshot="+filepath.Join(b.shots, name), s.url+path)...)
		if out, err := shot.CombinedOutput(); err != nil {
			return fmt.Errorf("screenshot of %s: %w: %s", path, err, out)
		}
		s.asked = nil
	}
	var dom, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "chromium", append(args, "--dump-dom", s.url+path)...)
	cmd.Stdout, cmd.Stderr = &dom, &complaints
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, complaints.String())
	}
	s.page = dom.String()
	for _, text := range texts {
		if !strings.Contains(s.page, text) {
			return fmt.Errorf("%s does not show %q", path, text)
		}
	}
	for line := range strings.Lines(complaints.String()) {
		if strings.Contains(line, "CONSOLE") {
			return fmt.Errorf("%s: the browser complains: %s", path, line)
		}
	}
	if len(s.asked) != 1 {
		return fmt.Errorf("%s: the server was asked for %q", path, s.asked)
	}
	return onlyItself(log, s.url)
}

// started is a request in the browser's log, and the origin whose page began it.
var started = regexp.MustCompile(`"initiator":"([^"]*)".*?"url":"([^"]*)"`)

// onlyItself reads the browser's own log of what the page asked the network for.
// What the browser asks for itself has no origin.
func onlyItself(log, origin string) error {
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	there := false
	for _, match := range started.FindAllSubmatch(text, -1) {
		by, url := string(match[1]), string(match[2])
		switch {
		case by == origin:
			return fmt.Errorf("the page requested %s", url)
		case strings.HasPrefix(url, origin):
			there = true
		}
	}
	if !there {
		return fmt.Errorf("the browser's log does not have the page: %d bytes", len(text))
	}
	return nil
}
