package account_test

import (
	"testing"

	"vitrine/product/account"
)

func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	r := account.NewRecent(100)
	for i := range 1000 {
		r.Put(i, -i)
		if n := r.Len(); n > 200 {
			t.Fatalf("it holds %d after %d", n, i+1)
		}
		for j := max(0, i-99); j <= i; j++ {
			if v, ok := r.Get(j); !ok || v != -j {
				t.Fatalf("%d is %d, %t after %d", j, v, ok, i)
			}
		}
	}
	if _, ok := r.Get(0); ok {
		t.Error("the first one is still there")
	}
}

func TestRecentReplacesAndRemoves(t *testing.T) {
	t.Parallel()
	r := account.NewRecent(2)
	for _, key := range []int{1, 2, 3} { // 1 and 2 are in the older half by now
		r.Put(key, key)
	}
	r.Put(1, 10)
	if v, ok := r.Get(1); !ok || v != 10 {
		t.Errorf("1 is %d, %t", v, ok)
	}
	r.Remove(1) // from both halves
	r.Remove(2)
	for _, key := range []int{1, 2} {
		if v, ok := r.Get(key); ok {
			t.Errorf("%d is still %d", key, v)
		}
	}
	if v, ok := r.Get(3); !ok || v != 3 {
		t.Errorf("3 is %d, %t", v, ok)
	}
}
