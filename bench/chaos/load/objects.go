package load

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg" // the formats that are stored
	_ "image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	_ "golang.org/x/image/webp" // a stored format too

	"vitrine/bench/chaos/history"
)

// Objects reads the object store directly.
type Objects struct {
	api    *minio.Client
	bucket string
	public *http.Client // reads without credentials
}

// NewObjects connects with the settings of the service.
func NewObjects(env map[string]string) (*Objects, error) {
	api, err := minio.New(strings.TrimPrefix(env["S3_ENDPOINT"], "http://"), &minio.Options{
		Creds:  credentials.NewStaticV4(env["AWS_ACCESS_KEY"], env["AWS_SECRET_KEY"], ""),
		Region: env["AWS_REGION"],
	})
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: sweepers}
	return &Objects{api: api, bucket: env["S3_BUCKET_NAME"], public: &http.Client{Transport: transport, Timeout: 30 * time.Second}}, nil
}

// fetchObjects fetches every stored variant that no earlier sweep has fetched.
func (l *Load) fetchObjects(ctx context.Context, states []history.Op, objects *Objects) error {
	var urls []history.Item
	for i := range states {
		if states[i].State == nil {
			continue
		}
		for _, seen := range states[i].State.Images {
			for _, url := range seen.URLs {
				if !l.swept[url] {
					l.swept[url] = true
					urls = append(urls, history.Item{Product: states[i].Product, Key: url})
				}
			}
		}
	}
	l.each(urls, func(item history.Item) {
		op := history.Op{Kind: history.Object, Product: item.Product, URL: item.Key, Start: l.log.Now(), Outcome: history.Unknown}
		if err := objects.fetch(ctx, item.Key, &op); err != nil {
			op.Error = err.Error()
		} else {
			op.Outcome = history.Acknowledged
		}
		l.log.Add(op)
	})
	return ctx.Err()
}

// fetch fetches a variant and decodes it.
func (o *Objects) fetch(ctx context.Context, url string, op *history.Op) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := o.public.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	op.Status = resp.StatusCode
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	_, _, err = image.Decode(bytes.NewReader(body))
	return err
}

// list records the keys of every product. The URLs that clients saw tell which product a
// key belongs to; keys without a URL are recorded under an unknown product.
func (o *Objects) list(ctx context.Context, log *history.Log) error {
	start := log.Now()
	keys := map[string][]string{}
	for object := range o.api.ListObjects(ctx, o.bucket, minio.ListObjectsOptions{Prefix: "products/", Recursive: true}) {
		if object.Err != nil {
			return fmt.Errorf("list objects: %w", object.Err)
		}
		if parts := strings.Split(object.Key, "/"); len(parts) > 2 {
			keys[parts[1]] = append(keys[parts[1]], object.Key)
		}
	}
	owners := map[string]string{}
	for _, op := range log.Ops() {
		noteOwner(owners, op.Product, op.State)
		for _, item := range op.Items {
			noteOwner(owners, item.Product, item.State)
		}
	}
	for folder, list := range keys {
		slices.Sort(list)
		product, known := owners[folder]
		if !known {
			product = folder
		}
		log.Add(history.Op{Kind: history.Stored, Product: product, Start: start, Outcome: history.Acknowledged, Keys: list})
	}
	return nil
}

// noteOwner records which folders of the object store belong to a product.
func noteOwner(owners map[string]string, product string, state *history.State) {
	if state == nil {
		return
	}
	for _, image := range state.Images {
		for _, url := range image.URLs {
			if _, key, found := strings.Cut(url, "/products/"); found {
				folder, _, _ := strings.Cut(key, "/")
				owners[folder] = product
			}
		}
	}
}
