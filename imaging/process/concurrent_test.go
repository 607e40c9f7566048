package process_test

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// The tests of this file are the ones to run with the race detector: everything else that
// a Processor does stays within one goroutine.

// Pictures of all formats that are processed at the same time get the same files as one
// after the other: they share a memory budget, and buffers that are used again.
func TestConcurrentPicturesGetTheSameFiles(t *testing.T) {
	t.Parallel()
	photo, logo, graphic := imagingtest.Photo(160, 120, 1), imagingtest.Logo(80, 60), imagingtest.Graphic(80, 60)
	files := map[string][]byte{
		"baseline JPEG":    imagingtest.JPEG(photo, 90, 6),
		"progressive JPEG": sampled(photo, true, -1, 0x22, 0x11, 0x11),
		"JPEG with inks":   sampled(photo, false, 2, 0x22, 0x11, 0x11, 0x22),
		"PNG":              imagingtest.PNG(logo),
		"GIF":              imagingtest.GIF(graphic),
		"WebP":             imagingtest.WebP(logo),
	}
	p := process.New(process.Config{MemoryBudget: 64 << 20, Parallel: 4})
	want := process.Options{WebP: []string{"main"}}
	alone := map[string][]process.Rendition{}
	for name, src := range files {
		got, err := p.Process(t.Context(), src, want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		alone[name] = got.Renditions
		got.Release()
	}
	var group sync.WaitGroup
	for round := range 2 {
		for name, src := range files {
			group.Go(func() {
				release, err := p.Reserve(t.Context(), int64(len(src)))
				if err != nil {
					t.Error(err)
					return
				}
				defer release()
				got, err := p.Process(t.Context(), src, want)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				defer got.Release()
				if diff := cmp.Diff(alone[name], got.Renditions); diff != "" {
					t.Errorf("%s, round %d: other files", name, round)
				}
			})
		}
	}
	group.Wait()
	if p.MemoryUsed() != 0 || p.MemoryWaiting() != 0 {
		t.Errorf("%d bytes are in use and %d pictures wait in the end", p.MemoryUsed(), p.MemoryWaiting())
	}
}

// Renditions hold memory until they are released. The next picture waits for it.
func TestConcurrentPicturesWaitForMemory(t *testing.T) {
	t.Parallel()
	logo := image.NewNRGBA(image.Rect(0, 0, 640, 640))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range logo.Pix { // noise, which PNG cannot compress
		logo.Pix[i] = byte(random.Uint32())
	}
	src := imagingtest.PNG(logo)
	p := process.New(process.Config{MemoryBudget: 12 << 20})
	held, err := p.Process(t.Context(), src, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Process(ctx, src, process.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a picture did not wait: %v", err)
	}
	held.Release()
	got, err := p.Process(t.Context(), src, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got.Release()
}
