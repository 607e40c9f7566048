package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client sends requests directly to the replicas, without a load balancer.
type client struct {
	bases []string
	http  *http.Client
}

func newClient(bases []string, connections int) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	return &client{bases: bases, http: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// shownProduct has the fields of a product in a response.
type shownProduct struct {
	id             string
	version, value int64
	hit            bool // from the cache
}

func (c *client) createUser(ctx context.Context) (string, error) {
	p, err := c.call(ctx, 0, http.MethodPost, "/users",
		fmt.Sprintf(`{"name":"Freshness","email":"%d@example.com"}`, time.Now().UnixNano()))
	return p.id, err
}

func (c *client) createProduct(ctx context.Context, user string) (string, error) {
	p, err := c.call(ctx, 0, http.MethodPost, "/products",
		fmt.Sprintf(`{"user_id":%s,"product_name":"Freshness","product_price":0}`, user))
	return p.id, err
}

func (c *client) write(ctx context.Context, replica int, id string, value int64) (shownProduct, error) {
	return c.call(ctx, replica, http.MethodPatch, "/products/"+id, fmt.Sprintf(`{"product_price":%d}`, value))
}

func (c *client) read(ctx context.Context, replica int, id string) (shownProduct, error) {
	return c.call(ctx, replica, http.MethodGet, "/products/"+id, "")
}

func (c *client) call(ctx context.Context, replica int, method, path, body string) (shownProduct, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.bases[replica]+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return shownProduct{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return shownProduct{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return shownProduct{}, err
	}
	if resp.StatusCode >= 300 {
		return shownProduct{}, fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	var envelope struct {
		Data struct {
			ID      json.Number `json:"id"`
			Version int64       `json:"version"`
			Price   int64       `json:"product_price"`
		} `json:"data"`
	}
	if err := json.Unmarshal(content, &envelope); err != nil {
		return shownProduct{}, err
	}
	d := envelope.Data
	return shownProduct{d.ID.String(), d.Version, d.Price, resp.Header.Get("X-Cache") == "HIT"}, nil
}
