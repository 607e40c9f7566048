package storage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	t.Parallel()
	s := ready(t, settings(t))
	want := []string{"products/1/a b+ä.jpg", "products/1/c.jpg", "products/10/d.jpg", "products/2/e.jpg"}
	for _, key := range append(want, "other/1/f.jpg", "productsx") {
		put(t, s, key, "body")
	}
	for _, limit := range []int{1, 2, 3, 4, 5, 1000, 5000} {
		var got []string
		for after := ""; ; {
			objects, err := s.List(t.Context(), "products/", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				if time.Since(o.Modified).Abs() > time.Hour {
					t.Errorf("%+v", o)
				}
				got = append(got, o.Key)
			}
			if len(objects) < limit {
				break
			}
			after = objects[len(objects)-1].Key
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	if objects, err := s.List(t.Context(), "nothing/", "", 10); err != nil || len(objects) != 0 {
		t.Errorf("%v, %v", objects, err)
	}
}

func TestListWithoutBucket(t *testing.T) {
	t.Parallel()
	s := open(t, settings(t))
	if objects, err := s.List(t.Context(), "products/", "", 10); err != nil || len(objects) != 0 {
		t.Errorf("%v, %v", objects, err)
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := ready(t, settings(t))
	for i := range 3 {
		put(t, s, fmt.Sprintf("products/1/%d", i), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if objects, err := s.List(ctx, "products/", "", 10); err == nil {
		t.Errorf("no error, and %d objects", len(objects))
	}
}
