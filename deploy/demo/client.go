package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// client calls the service's API as any REST client would.
type client struct {
	base, token string
	http        http.Client
}

func newClient(base string) *client {
	return &client{base: base, token: os.Getenv("ADMIN_TOKEN"), http: http.Client{Timeout: 10 * time.Second}}
}

type product struct {
	ID          int64  `json:"id"`
	Name        string `json:"product_name"`
	ImageStatus string `json:"image_status"`
	Images      []struct {
		Source string  `json:"source"`
		Status string  `json:"status"`
		URL    *string `json:"url"`
		Width  int     `json:"width"`
		Height int     `json:"height"`
		Bytes  int64   `json:"bytes"`
		Error  *struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		} `json:"error"`
	} `json:"images"`
}

func (c *client) list(ctx context.Context) ([]product, error) {
	var products []product
	return products, c.call(ctx, http.MethodGet, "/products?limit=100", nil, &products)
}

func (c *client) product(ctx context.Context, id int64) (product, error) {
	var p product
	return p, c.call(ctx, http.MethodGet, fmt.Sprint("/products/", id), nil, &p)
}

// createUser returns the new user's id.
func (c *client) createUser(ctx context.Context, name, email string) (int64, error) {
	var user struct {
		ID int64 `json:"id"`
	}
	err := c.call(ctx, http.MethodPost, "/users", map[string]string{"name": name, "email": email}, &user)
	return user.ID, err
}

func (c *client) createProduct(ctx context.Context, user int64, name, description, price, picture string) (product, error) {
	var p product
	err := c.call(ctx, http.MethodPost, "/products", map[string]any{
		"user_id": user, "product_name": name, "product_description": description,
		"product_price": json.Number(price), "product_images": []string{picture},
	}, &p)
	return p, err
}

// call sends body as JSON and reads the envelope's data into data.
func (c *client) call(ctx context.Context, method, path string, body, data any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, &content)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var envelope struct {
		Data    json.RawMessage `json:"data"`
		Message string          `json:"message"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil {
		return fmt.Errorf("%s %s: answer %s is not JSON: %w", method, path, resp.Status, err)
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, envelope.Message)
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(envelope.Data, data)
}
