package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"vitrine/bench/chaos/history"
)

// A create is sent again for some seconds while its outcome is unknown.
const (
	createAttempts = 8
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
	statusConflict = 409 // an earlier attempt is still in progress
)

// create creates a product, sometimes with one or two pictures.
func (l *Load) create(ctx context.Context, rng *rand.Rand) {
	var pictures []history.Picture
	if rng.Float64() < l.cfg.PictureShare {
		for range 1 + rng.IntN(2) {
			pictures = append(pictures, l.source.Pick(rng))
		}
	}
	l.createWith(ctx, pictures)
}

// createWith creates a product. The idempotency key allows it to send the request again
// until there is a response.
func (l *Load) createWith(ctx context.Context, pictures []history.Picture) {
	key := fmt.Sprintf("%s-%d", l.run, l.keys.Add(1))
	value := l.values.Add(1)
	body := fmt.Appendf(nil, `{"user_id":%s,"product_name":%q,"product_description":"value %d","product_price":%s,"product_images":%s}`,
		l.user, "chaos "+key, value, price(value), sources(pictures))
	header := map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}
	pause := firstPause
	for range createAttempts {
		op := history.Op{Kind: history.Create, Key: key, Value: value, Pictures: pictures}
		show(&op, l.client.do(ctx, &op, "POST", "/products", header, body))
		l.record(op)
		if op.Outcome == history.Acknowledged {
			if !op.Garbled {
				l.pictures.Add(int64(len(pictures)))
				l.shelf.add(op.Product)
			}
			return
		}
		if op.Outcome == history.Refused && op.Status != statusConflict || !wait(ctx, pause) {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// sources returns the URLs of the pictures as a JSON array.
func sources(pictures []history.Picture) string {
	urls := make([]string, len(pictures))
	for i, p := range pictures {
		urls[i] = p.URL
	}
	encoded, err := json.Marshal(urls)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(encoded)
}

// update writes a new value, and sometimes other pictures. It is never sent again: two
// effects of it could not be told apart.
func (l *Load) update(ctx context.Context, rng *rand.Rand) {
	id := l.shelf.pick(rng)
	if id == "" {
		l.create(ctx, rng)
		return
	}
	if rng.IntN(2) == 0 {
		l.readToo(ctx, id) // so that a replica or the cache holds the old version
	}
	op := history.Op{Kind: history.Update, Product: id, Value: l.values.Add(1)}
	change := fmt.Sprintf(`{"product_description":"value %d","product_price":%s`, op.Value, price(op.Value))
	if rng.Float64() < l.cfg.PictureShare/20 {
		op.Pictures = []history.Picture{l.source.Pick(rng)}
		change += `,"product_images":` + sources(op.Pictures)
	}
	header := map[string]string{"Content-Type": "application/merge-patch+json"}
	show(&op, l.client.do(ctx, &op, "PATCH", "/products/"+id, header, []byte(change+"}")))
	l.record(op)
	if op.Outcome == history.Acknowledged {
		l.pictures.Add(int64(len(op.Pictures)))
	}
	l.readToo(ctx, id) // most likely from another replica
}

// readToo reads a product right before or after a write.
func (l *Load) readToo(ctx context.Context, id string) {
	l.charge()
	l.read(ctx, id, false)
}

// read reads a product. Set final in a sweep.
func (l *Load) read(ctx context.Context, id string, final bool) history.Op {
	op := history.Op{Kind: history.Read, Product: id, Final: final}
	show(&op, l.client.do(ctx, &op, "GET", "/products/"+id, nil, nil))
	if final {
		l.log.Add(op)
	} else {
		l.record(op)
	}
	return op
}

// remove deletes a product and reads it.
func (l *Load) remove(ctx context.Context, rng *rand.Rand) {
	id := l.shelf.take(rng)
	if id == "" {
		l.create(ctx, rng)
		return
	}
	op := history.Op{Kind: history.Delete, Product: id}
	l.client.do(ctx, &op, "DELETE", "/products/"+id, nil, nil)
	l.record(op)
	l.readToo(ctx, id)
}

// list reads the newest products.
func (l *Load) list(ctx context.Context) {
	op := history.Op{Kind: history.List}
	l.page(ctx, &op, "/products?limit=20&user_id="+l.user)
	l.record(op)
}

// page reads one page into the operation and returns the cursor of the next page.
func (l *Load) page(ctx context.Context, op *history.Op, path string) string {
	a := l.client.do(ctx, op, "GET", path, nil, nil)
	if a == nil || op.Outcome != history.Acknowledged {
		return ""
	}
	var body struct {
		Data []product `json:"data"`
		Next string    `json:"next_cursor"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		op.Garbled, op.Error = true, err.Error()
		return ""
	}
	for i := range body.Data {
		p := &body.Data[i]
		state, err := p.state()
		if err != nil {
			op.Garbled, op.Error = true, p.ID.String()+": "+err.Error()
			return ""
		}
		op.Items = append(op.Items, history.Item{Product: p.ID.String(), Key: keyOf(p.Name), State: state})
	}
	return body.Next
}

// wait blocks for d and reports whether ctx has not ended before.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
