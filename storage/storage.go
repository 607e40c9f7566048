package storage

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// PublicPrefix begins the keys of public objects.
const PublicPrefix = "products/"

// checkTimeout bounds [Store.Check].
const checkTimeout = 2 * time.Second

// ErrUnavailable means that the server was unreachable, overloaded or failing: the same
// call may succeed later. Other errors mean that the server rejected the request, for
// example because of wrong credentials or missing permissions.
var ErrUnavailable = errors.New("storage: unavailable")

// Config configures a [Store].
type Config struct {
	Endpoint  string // http:// or https:// URL of the server; empty for AWS
	Region    string // us-east-1 when empty
	Bucket    string
	AccessKey string // both keys empty: anonymous
	SecretKey string
	// PublicURL is the URL under which clients read objects, without the key. The
	// default is the bucket's URL at the endpoint.
	PublicURL string
	// UploadURL is the bucket's URL to which clients post files. The default is the
	// bucket's URL at the endpoint.
	UploadURL string
	// Unmanaged means that the bucket is created and PublicPrefix made public by
	// other means; Ensure then does nothing.
	Unmanaged bool

	Timeout     time.Duration // of one call with all its retries: 30 s
	Connections int           // idle connections to keep: 16; set it to the number of writers
}

// Store is a client of one bucket. All methods are safe for concurrent use.
type Store struct {
	client    *minio.Client
	bucket    string
	region    string
	publicURL string
	uploadURL string
	unmanaged bool
	timeout   time.Duration
	sends     chan struct{} // limits the parts of streams that are sent at the same time
}

// New returns a store. It does no I/O; an error means that Config is invalid.
func New(cfg Config) (*Store, error) {
	if cfg.Bucket == "" {
		return nil, errors.New("storage: Bucket is empty")
	}
	if (cfg.AccessKey == "") != (cfg.SecretKey == "") {
		return nil, errors.New("storage: set both AccessKey and SecretKey, or neither")
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Connections <= 0 {
		cfg.Connections = 16
	}
	host, secure, lookup := "s3.amazonaws.com", true, minio.BucketLookupAuto
	if cfg.Endpoint != "" {
		u, err := webURL("endpoint", cfg.Endpoint)
		if err != nil {
			return nil, err
		}
		if u.Path != "" {
			return nil, errors.New("storage: the endpoint must not have a path")
		}
		host, secure, lookup = u.Host, u.Scheme == "https", minio.BucketLookupPath
		if strings.HasSuffix(u.Hostname(), ".amazonaws.com") {
			lookup = minio.BucketLookupAuto
		}
	}
	public, err := cfg.bucketURL("public URL", cfg.PublicURL)
	if err != nil {
		return nil, err
	}
	upload, err := cfg.bucketURL("upload URL", cfg.UploadURL)
	if err != nil {
		return nil, err
	}
	client, err := minio.New(host, &minio.Options{
		Creds:        credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:       secure,
		Region:       cfg.Region, // otherwise the client asks the server first
		BucketLookup: lookup,
		MaxRetries:   3,
		Transport:    newTransport(cfg.Connections),
	})
	if err != nil {
		return nil, fmt.Errorf("storage: endpoint: %w", err)
	}
	return &Store{
		client: client, bucket: cfg.Bucket, region: cfg.Region, publicURL: public, uploadURL: upload,
		unmanaged: cfg.Unmanaged, timeout: cfg.Timeout, sends: make(chan struct{}, maxSending),
	}, nil
}

// URL returns the public URL of an object.
func (s *Store) URL(key string) string {
	segments := strings.Split(key, "/")
	for i, segment := range segments {
		// Some servers read a plus sign in a path as a space.
		segments[i] = strings.ReplaceAll(url.PathEscape(segment), "+", "%2B")
	}
	return s.publicURL + "/" + strings.Join(segments, "/")
}

// bucketURL returns given, or by default the bucket's URL at the endpoint.
func (cfg Config) bucketURL(name, given string) (string, error) {
	switch {
	case given != "":
		u, err := webURL(name, given)
		if err != nil {
			return "", err
		}
		return u.String(), nil
	case cfg.Endpoint != "":
		return strings.TrimSuffix(cfg.Endpoint, "/") + "/" + cfg.Bucket, nil
	case strings.Contains(cfg.Bucket, "."): // AWS's certificate does not cover such host names
		return "https://s3." + cfg.Region + ".amazonaws.com/" + cfg.Bucket, nil
	}
	return "https://" + cfg.Bucket + ".s3." + cfg.Region + ".amazonaws.com", nil
}

// webURL parses an http or https URL and removes a trailing slash. Its errors do not
// contain the URL, which may hold a password.
func webURL(name, text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("storage: the %s cannot be parsed", name)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("storage: the %s must begin with http:// or https:// and a host", name)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("storage: the %s must not have a user, a query or a fragment", name)
	}
	return u, nil
}

func newTransport(connections int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   connections,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true,
	}
}
