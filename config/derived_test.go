package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOff(t *testing.T) {
	t.Parallel()
	c, err := load(t)
	if err != nil || !c.ServesAdmin() {
		t.Errorf("by default: serves admin %v, %v", c.ServesAdmin(), err)
	}
	if diff := cmp.Diff([]string{"main", "large"}, c.WebP()); diff != "" {
		t.Errorf("WebP by default (-want +got):\n%s", diff)
	}
	c, err = load(t, "ADMIN_ADDR=off", "WEBP_SIZES=off")
	if err != nil || c.ServesAdmin() || len(c.WebP()) != 0 {
		t.Errorf("off: serves admin %v, WebP %q, %v", c.ServesAdmin(), c.WebP(), err)
	}
}

func TestAllowedPorts(t *testing.T) {
	t.Parallel()
	c, err := load(t, "FETCH_ALLOW_PORTS=8081,9000")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{8081, 9000}, c.AllowedPorts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The certificate of AWS covers buckets as hosts only if their names have no dots.
func TestBucketURL(t *testing.T) {
	t.Parallel()
	for bucket, want := range map[string]string{
		"shop":     "https://shop.s3.eu-central-1.amazonaws.com",
		"shop.com": "https://s3.eu-central-1.amazonaws.com/shop.com",
	} {
		c, err := load(t, "AWS_REGION=eu-central-1", "S3_BUCKET_NAME="+bucket)
		if err != nil || c.S3PublicURL != want || c.S3UploadURL != want {
			t.Errorf("%s: public %q, upload %q, %v; want %q", bucket, c.S3PublicURL, c.S3UploadURL, err, want)
		}
	}
}
