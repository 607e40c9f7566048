package web_test

import (
	"net/http"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/cache"
	"vitrine/product/event"
	"vitrine/product/web"
)

// A stream ends when neither Redis nor PostgreSQL can confirm its key. The key may still be
// valid, so the client is told to reconnect.
func TestStreamEndsWhenNobodyCanConfirmItsKey(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	u, _ := a.shelf()
	lost, err := cache.New(cache.Config{URL: "redis://127.0.0.1:1/0"}, testenv.Quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lost.Close)
	dsn, proxy := testenv.ProxyURL(t, a.dsn)
	service := newServices(testenv.Open(t, dsn), lost, objectURL)
	testenv.RunEventLog(t, a.dsn, service.Events.(*event.Log))
	b := a.another(web.Config{}, service)
	s := b.follow(t, "", auth(u.key)...).ready()
	proxy.Refuse()
	if m, err := s.next(); err == nil {
		t.Errorf("the stream sent %+v", m)
	}
	testenv.Eventually(t, "the stream has ended", func() bool { return b.gauge(t, "vitrine_event_streams") == 0 })
	ended := counts(t, b.metrics, "vitrine_event_streams_ended_total")
	if len(ended) != 1 || ended["failure"] != 1 {
		t.Errorf("streams ended by %v", ended)
	}
	wantProblem(t, b.as(u.key, http.MethodGet, "/events", ""), http.StatusServiceUnavailable, "unavailable")
}
