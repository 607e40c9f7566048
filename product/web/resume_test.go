package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/event"
	"vitrine/product/web"
)

// Clients that are cut off at random and resume on any replica get every change once, while
// writers are busy on two replicas.
func TestResumedStreamHasEveryChangeOnce(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 2, web.Config{})
	user := newUser(t, replicas[0].server)
	starts := []*stream{replicas[0].follow(t, "").ready(), replicas[1].follow(t, "?user_id="+user).ready()}

	const writers, writes = 3, 25
	var mu sync.Mutex
	want := map[string]int64{} // the last version of each product
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			id, version := "", int64(0)
			for range writes {
				r := replicas[rand.IntN(2)]
				switch {
				case id == "":
					id, version = newListing(t, r.server, user, "Lamp", "1"), 1
				case rand.IntN(8) == 0:
					if a := r.call(t, http.MethodDelete, "/products/"+id, ""); a.status != http.StatusOK {
						t.Errorf("%d %s", a.status, a.raw)
					}
					mu.Lock()
					want[id] = version + 1
					mu.Unlock()
					id = ""
				default:
					version++
					if a := r.call(t, http.MethodPatch, "/products/"+id, fmt.Sprintf(`{"product_price":%d}`, version)); a.status != http.StatusOK {
						t.Errorf("%d %s", a.status, a.raw)
					}
				}
			}
			if id != "" {
				mu.Lock()
				want[id] = version
				mu.Unlock()
			}
		})
	}
	var reading sync.WaitGroup
	for _, s := range starts {
		reading.Go(func() {
			got := map[json.Number]int64{}
			connections := 1
			for n, left := 0, rand.IntN(6); n < writers*writes; left-- {
				if left == 0 {
					id := s.id
					s.leave()
					s = replicas[rand.IntN(2)].follow(t, "?user_id="+user, "Last-Event-ID", id)
					left = 1 + rand.IntN(6)
					connections++
				}
				m, err := s.next()
				if err != nil {
					t.Error(err)
					return
				}
				var data struct {
					ProductID json.Number `json:"product_id"`
					Version   int64       `json:"version"`
				}
				if err := json.Unmarshal([]byte(m.data), &data); err != nil || data.Version != got[data.ProductID]+1 {
					t.Errorf("version %d of %s after %d: %v", data.Version, data.ProductID, got[data.ProductID], err)
					return
				}
				got[data.ProductID]++
				n++
			}
			writing.Wait()
			for id, version := range want {
				if got[json.Number(id)] != version {
					t.Errorf("product %s: version %d, want %d", id, got[json.Number(id)], version)
				}
			}
			t.Logf("%d connections", connections)
		})
	}
	writing.Wait()
	reading.Wait()
}

// busy is an event source with a writer at the worst moments: right before and right after a
// stream subscribes.
type busy struct {
	*event.Log
	write func()
}

func (b busy) Subscribe(ctx context.Context, scope product.Scope, f event.Filter) (*event.Subscription, error) {
	b.write()
	s, err := b.Log.Subscribe(ctx, scope, f)
	b.write()
	return s, err
}

// Events that are both in the log and in the subscription are sent once.
func TestWhatComesWhileAStreamSubscribesIsSentOnce(t *testing.T) {
	t.Parallel()
	replicas, _ := newReplicas(t, 1, web.Config{})
	r := replicas[0]
	user := newUser(t, r.server)
	last := int64(0)
	write := func() {
		newListing(t, r.server, user, "Lamp", "1")
		last++
		testenv.Eventually(t, "the event is in the log", func() bool {
			page, err := r.service.Events.Events(t.Context(), product.Everything(), event.Filter{}, 0)
			return err == nil && page.Last == last
		})
	}
	write()
	services := r.service
	services.Events = busy{r.service.Events.(*event.Log), write}
	s := serve(t, web.Config{Heartbeat: time.Second}, services).follow(t, "?last_event_id=0")
	var ids []string
	for len(ids) < 3 {
		ids = append(ids, s.expect().id)
	}
	write()
	if ids = append(ids, s.expect().id); !slices.Equal(ids, []string{"1", "2", "3", "4"}) {
		t.Errorf("events %v", ids)
	}
}
