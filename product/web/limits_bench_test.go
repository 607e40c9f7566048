package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/postgres"
	"vitrine/product/web"
)

// BenchmarkGet reads a cached product over HTTP, alternately from a service without rate limits
// and from one whose limit by address it does not reach. It reports the CPU time of a read from
// each, of client and server together, and the difference. Unlike wall time, CPU time does not
// depend on the load of the machine.
func BenchmarkGet(b *testing.B) {
	const reads = 50 // from one service before the other
	service := newService(b)
	user, _, err := service.Accounts.CreateUser(b.Context(), account.NewUser{Name: "Ada"}, postgres.Idempotency{})
	if err != nil {
		b.Fatal(err)
	}
	n := product.NewProduct{UserID: user.ID, Name: "Lamp", Images: []string{}}
	made, _, err := service.Catalogue.Create(b.Context(), product.Everything(), n, postgres.Idempotency{})
	if err != nil {
		b.Fatal(err)
	}
	limits := trusting("")
	limits.PerAddress, limits.Window = 2400, 50*time.Millisecond // not reachable, counted in batches as by default
	limits.Counter, limits.Prefix = newCache(b), uuid.NewString()+":"

	var took [2]time.Duration
	var urls [2]string
	for i, cfg := range []web.Config{{}, {Limits: limits}} {
		listener := httptest.NewServer(web.New(cfg, service, testenv.Quiet(), nil))
		b.Cleanup(listener.Close)
		urls[i] = listener.URL + "/products/" + strconv.FormatInt(made.ID, 10)
		get(b, urls[i])
	}
	b.ResetTimer()
	for n := range b.N {
		for i := range urls {
			i = (i + n) % 2
			began := cpuTime(b)
			for range reads {
				get(b, urls[i])
			}
			took[i] += cpuTime(b) - began
		}
	}
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(reads*b.N), "ns/unlimited")
	b.ReportMetric(float64(took[1].Nanoseconds())/float64(reads*b.N), "ns/limited")
	b.ReportMetric(100*(took[1].Seconds()/took[0].Seconds()-1), "%more")
}

func get(b *testing.B, url string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	res, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res.Status, err)
	}
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
