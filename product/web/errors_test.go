package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitrine/product"
	"vitrine/product/web"
)

func TestAsProblem(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	lateAndGone, cancel := context.WithDeadline(gone, time.Unix(1, 0))
	defer cancel()
	secret := errors.New("pq: password authentication failed for user vitrine")
	for name, c := range map[string]struct {
		ctx    context.Context
		err    error
		status int
		code   string
	}{
		"not found":            {t.Context(), fmt.Errorf("get: %w", product.ErrNotFound), 404, "not_found"},
		"conflict":             {t.Context(), fmt.Errorf("insert: %w", product.ErrConflict), 409, "conflict"},
		"precondition":         {t.Context(), product.ErrPrecondition, 412, "precondition_failed"},
		"validation":           {t.Context(), fmt.Errorf("create: %w", &product.ValidationError{Fields: []product.FieldError{{Field: "a"}}}), 422, "validation_failed"},
		"unavailable":          {t.Context(), fmt.Errorf("%w: %w", product.ErrUnavailable, secret), 503, "unavailable"},
		"unknown":              {t.Context(), secret, 500, "internal"},
		"past its deadline":    {late, secret, 503, "timeout"},
		"late and cut off":     {lateAndGone, context.Canceled, 503, "timeout"},
		"late and unavailable": {late, product.ErrUnavailable, 503, "timeout"},
		"client gone":          {gone, fmt.Errorf("%w: %w", product.ErrUnavailable, context.Canceled), 499, "client_closed_request"},
		"known though late":    {late, product.ErrNotFound, 404, "not_found"},
	} {
		p := web.AsProblem(c.ctx, c.err)
		if p.Status != c.status || p.Code != c.code {
			t.Errorf("%s: got %d %s, want %d %s", name, p.Status, p.Code, c.status, c.code)
		}
		if p.Type != "/docs/problems/"+c.code || p.Title == "" || p.Message != p.Detail {
			t.Errorf("%s: incomplete: %+v", name, p)
		}
		if strings.Contains(p.Detail+p.Message, "pq:") {
			t.Errorf("%s: the cause is shown: %q", name, p.Detail)
		}
		if c.status >= 499 && !errors.Is(p, c.err) {
			t.Errorf("%s: the cause is lost for the log", name)
		}
	}
}
