package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"vitrine/bench/chaos/history"
)

// deadline is how long a client waits for a response.
const deadline = 25 * time.Second

// client sends requests and records them.
type client struct {
	base string
	http *http.Client
	log  *history.Log
}

func newClient(base string, log *history.Log) *client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
	}
	return &client{base: base, http: &http.Client{Transport: transport, Timeout: deadline}, log: log}
}

// product has the fields of a product that clients check.
type product struct {
	ID          json.Number `json:"id"`
	Name        string      `json:"product_name"`
	Description string      `json:"product_description"`
	Price       json.Number `json:"product_price"`
	Version     int64       `json:"version"`
	Status      string      `json:"image_status"`
	Compressed  []string    `json:"compressed_product_images"`
	Images      []struct {
		Source string `json:"source"`
		Status string `json:"status"`
		Error  *struct {
			Code string `json:"code"`
		} `json:"error"`
		Variants []struct {
			URL string `json:"url"`
		} `json:"variants"`
	} `json:"images"`
}

// state returns the state of the product. It returns an error if the two fields that
// carry the value differ.
func (p *product) state() (*history.State, error) {
	s := &history.State{Version: p.Version, Compressed: len(p.Compressed)}
	if _, err := fmt.Sscanf(p.Description, "value %d", &s.Value); err != nil {
		return nil, fmt.Errorf("description %q", p.Description)
	}
	if p.Price.String() != price(s.Value) {
		return nil, fmt.Errorf("price %s does not match value %d", p.Price, s.Value)
	}
	for _, image := range p.Images {
		seen := history.Image{Source: image.Source, Status: image.Status}
		if image.Error != nil {
			seen.Code = image.Error.Code
		}
		for _, v := range image.Variants {
			seen.URLs = append(seen.URLs, v.URL)
		}
		s.Images = append(s.Images, seen)
	}
	return s, nil
}

// price returns the price for a value. Description and price carry the same value, so
// that a write applied in part is found.
func price(value int64) string { return fmt.Sprintf("%d.%02d", value/100, value%100) }

// keyOf returns the key of the create, which is in the product's name.
func keyOf(name string) string { return strings.TrimPrefix(name, "chaos ") }

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request and fills in the common fields of the operation, without recording
// it. It returns nil without a complete response.
func (c *client) do(ctx context.Context, op *history.Op, method, path string, header map[string]string, body []byte) *answer {
	op.Start = c.log.Now()
	op.Outcome = history.Unknown
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		op.Error = err.Error()
		return nil
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		op.Error = unwrapURL(err)
		return nil
	}
	defer resp.Body.Close()
	op.Status, op.Replica, op.Cache = resp.StatusCode, resp.Header.Get("X-Replica"), resp.Header.Get("X-Cache")
	op.RetryAfter = resp.Header.Get("Retry-After") != ""
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		op.Error = unwrapURL(err)
		return nil
	}
	switch {
	case resp.StatusCode < 300:
		op.Outcome = history.Acknowledged
	case resp.StatusCode < 500:
		op.Outcome = history.Refused
	}
	if op.Outcome != history.Acknowledged && op.Replica != "" {
		var problem struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal(content, &problem); err != nil {
			op.Garbled, op.Error = true, err.Error()
		}
		op.Code = problem.Code
	}
	return &answer{resp.StatusCode, resp.Header, content}
}

// unwrapURL returns the message of err without the URL and the address, which are the
// same in all messages.
func unwrapURL(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		if _, op := err.(*net.OpError); op { //nolint:errorlint // only this error, not those it wraps
			break
		}
		err = next
	}
	return err.Error()
}

// show reads the product of an acknowledged response into the operation.
func show(op *history.Op, a *answer) {
	if a == nil || op.Outcome != history.Acknowledged {
		return
	}
	var envelope struct {
		Data product `json:"data"`
	}
	err := json.Unmarshal(a.body, &envelope)
	if err == nil {
		op.State, err = envelope.Data.state()
	}
	if err == nil && op.Product != "" && envelope.Data.ID.String() != op.Product {
		err = fmt.Errorf("the response has the product %q", envelope.Data.ID)
	}
	if err != nil {
		op.Garbled, op.Error = true, err.Error()
		return
	}
	op.Product = envelope.Data.ID.String()
}
