package imaging_test

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/imaging/picture"
)

// The tests of this file are the ones to run with the race detector: everything else that
// a Processor does stays within one goroutine.

// Pictures of all formats that are processed at the same time get the same files as one
// after the other: they share a memory budget, and buffers that are used again.
func TestConcurrentPicturesGetTheSameFiles(t *testing.T) {
	t.Parallel()
	photo, logo, graphic := picture.Photo(160, 120, 1), picture.Logo(80, 60), picture.Graphic(80, 60)
	files := map[string][]byte{
		"baseline JPEG":    picture.JPEG(photo, 90, 6),
		"progressive JPEG": sampled(photo, true, -1, 0x22, 0x11, 0x11),
		"JPEG with inks":   sampled(photo, false, 2, 0x22, 0x11, 0x11, 0x22),
		"PNG":              picture.PNG(logo),
		"GIF":              picture.GIF(graphic),
		"WebP":             picture.WebP(logo),
	}
	p := imaging.NewProcessor(imaging.ProcessConfig{MemoryBudget: 64 << 20, Parallel: 4})
	want := imaging.Options{WebP: []string{"main"}}
	alone := map[string][]imaging.Rendition{}
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
	src := picture.PNG(logo)
	p := imaging.NewProcessor(imaging.ProcessConfig{MemoryBudget: 12 << 20})
	held, err := p.Process(t.Context(), src, imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Process(ctx, src, imaging.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a picture did not wait: %v", err)
	}
	held.Release()
	got, err := p.Process(t.Context(), src, imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got.Release()
}
