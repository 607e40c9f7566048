package storage_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"vitrine/storage"
)

func TestEverybodyReadsProductsOnly(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	s := ready(t, cfg)
	put(t, s, "products/7/main.jpg", "public")
	put(t, s, "uploads/7/main.jpg", "private")
	put(t, s, "originals/7/main.jpg", "private")
	base := cfg.Endpoint + "/" + cfg.Bucket
	for name, address := range map[string]string{
		"another prefix": s.URL("uploads/7/main.jpg"),
		"a kept source":  s.URL("originals/7/main.jpg"),
		"listing":        base + "/?list-type=2",
		"listing public": base + "/?list-type=2&prefix=products/",
		"policy":         base + "/?policy",
	} {
		if got := get(t, address); got.Status != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", name, got.Status)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.URL("products/7/main.jpg"), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("delete: status %d, want 403", answer.StatusCode)
	}
	if got := get(t, s.URL("products/7/main.jpg")); got.Status != http.StatusOK {
		t.Errorf("the public object: status %d", got.Status)
	}
}

func TestEnsureByManyAtOnce(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	var wg sync.WaitGroup
	errs := make(chan error, 10)
	for range cap(errs) {
		s := open(t, cfg)
		wg.Go(func() { errs <- s.Ensure(t.Context()) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	s := ready(t, cfg) // and again
	put(t, s, "products/7/main.jpg", "public")
	if got := get(t, s.URL("products/7/main.jpg")); got.Status != http.StatusOK {
		t.Errorf("status %d", got.Status)
	}
}

func TestEnsureKeepsOtherStatements(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	client := admin(t, cfg)
	if err := client.MakeBucket(t.Context(), cfg.Bucket, minio.MakeBucketOptions{Region: cfg.Region}); err != nil {
		t.Fatal(err)
	}
	theirs := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"theirs","Effect":"Allow","Principal":"*",
		"Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/shared/*"}]}`, cfg.Bucket)
	if err := client.SetBucketPolicy(t.Context(), cfg.Bucket, theirs); err != nil {
		t.Fatal(err)
	}
	s := ready(t, cfg)
	put(t, s, "products/7/main.jpg", "ours")
	put(t, s, "shared/a", "theirs")
	for _, key := range []string{"products/7/main.jpg", "shared/a"} {
		if got := get(t, s.URL(key)); got.Status != http.StatusOK {
			t.Errorf("%s: status %d", key, got.Status)
		}
	}
	policy, err := client.GetBucketPolicy(t.Context(), cfg.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	ready(t, cfg)
	again, err := client.GetBucketPolicy(t.Context(), cfg.Bucket)
	if err != nil || again != policy || strings.Count(policy, storage.PublicPrefix) != 1 {
		t.Errorf("a second Ensure made\n%s\nof\n%s\n%v", again, policy, err)
	}
}

func TestMissingBucket(t *testing.T) {
	t.Parallel()
	t.Run("is made by Put", func(t *testing.T) {
		t.Parallel()
		s := open(t, settings(t))
		if err := s.Check(t.Context()); err == nil || errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Check gave %v", err)
		}
		put(t, s, "products/7/main.jpg", "first")
		if got := get(t, s.URL("products/7/main.jpg")); got != found("image/jpeg", "first") {
			t.Errorf("got %+v", got)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check gave %v", err)
		}
	})
	t.Run("is left alone where others manage it", func(t *testing.T) {
		t.Parallel()
		cfg := settings(t)
		cfg.Unmanaged = true
		s := ready(t, cfg)
		if err := s.Put(t.Context(), "products/7/main.jpg", "image/jpeg", nil); err == nil {
			t.Error("Put made the bucket")
		}
		if exists, err := admin(t, cfg).BucketExists(t.Context(), cfg.Bucket); exists || err != nil {
			t.Errorf("bucket exists: %v, %v", exists, err)
		}
	})
	t.Run("has nothing to delete", func(t *testing.T) {
		t.Parallel()
		if err := open(t, settings(t)).DeletePrefix(t.Context(), "products/7/"); err != nil {
			t.Error(err)
		}
	})
}
