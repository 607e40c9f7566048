package e2e_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/imaging/imagingtest"
)

// TestKillLosesNothing kills a process in the middle of its work. The next process
// finishes every image and stores no object twice.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	const pictures = 50
	content := map[string][]byte{}
	for i := range pictures {
		content[fmt.Sprintf("/%d.jpg", i)] = imagingtest.JPEG(imagingtest.Photo(320, 240, int64(i)), 85, 1)
	}
	var served atomic.Int32
	halfway := make(chan struct{})
	from := source(t, settings, func(w http.ResponseWriter, r *http.Request) {
		if served.Add(1) == pictures/2 {
			close(halfway)
		}
		files(content)(w, r)
	})

	v := start(t, settings)
	user := v.newUser()
	var ids []int64
	for i := 0; i < pictures; i += 5 {
		var sources []string
		for k := i; k < i+5; k++ {
			sources = append(sources, fmt.Sprintf("%s/%d.jpg", from, k))
		}
		ids = append(ids, v.newProduct(user, sources...).ID)
	}
	select {
	case <-halfway:
	case <-time.After(time.Minute):
		t.Fatal("fewer than half of the images were fetched in one minute")
	}
	v.kill()

	v = start(t, settings)
	v.waitReady()
	var products []product
	for _, id := range ids {
		p := v.settled(id, 90*time.Second)
		if p.Status != "ready" {
			t.Errorf("product %d is %s", id, p.Status)
		}
		products = append(products, p)
	}
	sameObjects(t, settings, products)
}

// TestTerminationHandsJobsBack stops a process whose job cannot finish. The job goes
// back to the queue and the attempt is not counted.
func TestTerminationHandsJobsBack(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	settings["FETCH_TIMEOUT"] = "60s"
	file := imagingtest.PNG(imagingtest.Graphic(400, 300))
	asked := make(chan struct{}, 10)
	var open atomic.Bool
	from := source(t, settings, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		if !open.Load() {
			<-r.Context().Done() // a source that never responds
			return
		}
		w.Write(file)
	})
	v := start(t, settings)
	p := v.newProduct(v.newUser(), from+"/slow.png")
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Fatal("the image was not fetched")
	}
	if took := v.terminate(); took > 20*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if v.err != nil {
		t.Errorf("vitrine exited with %v", v.err)
	}

	open.Store(true)
	v = start(t, settings)
	v.waitReady()
	p = v.settled(p.ID, 30*time.Second)
	if p.Status != "ready" || p.Images[0].Attempts != 1 {
		t.Errorf("the image is %s after %d attempts, want ready after 1", p.Status, p.Images[0].Attempts)
	}
}

// TestReplicaWithoutWorkers has one replica serve the API and another process the
// images.
func TestReplicaWithoutWorkers(t *testing.T) {
	t.Parallel()
	settings := servers(t)
	from := source(t, settings, files(map[string][]byte{"/a.png": imagingtest.PNG(imagingtest.Logo(100, 100))}))
	settings["WORKERS"] = "0"
	api := start(t, settings)
	p := api.newProduct(api.newUser(), from+"/a.png")

	settings["WORKERS"] = "2"
	start(t, settings)
	if p = api.settled(p.ID, time.Minute); p.Status != "ready" {
		t.Errorf("the image is %s", p.Status)
	}
}
