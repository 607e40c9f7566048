package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"vitrine/product"
	"vitrine/product/catalogue"
	"vitrine/product/upload"
	"vitrine/product/web/admission"
	"vitrine/product/web/header"
	"vitrine/product/web/problem"
)

// fail answers with the problem that err stands for, and tells the access log.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(r.Context(), err)
	p.RequestID = product.RequestID(r.Context())
	noteFailure(r.Context(), p)
	if p.Shed != "" {
		a.requests.CountShed(p.Shed)
	}
	text, err := json.Marshal(p)
	if err != nil { // impossible: the struct holds strings and numbers
		panic(err)
	}
	h := w.Header()
	for key, values := range p.Header {
		h[key] = values
	}
	h.Set("Cache-Control", "no-store")
	write(w, r, p.Status, "application/problem+json", append(text, '\n'))
}

// asProblem is the one place that turns an error into a status. An unknown error is a
// defect of the service: it is answered with 500, without its text.
func asProblem(ctx context.Context, err error) *problem.Error {
	var p *problem.Error
	if errors.As(err, &p) {
		return p
	}
	var invalid *product.ValidationError
	switch {
	case errors.As(err, &invalid):
		return problem.BadFields(invalid.Fields)
	case errors.Is(err, product.ErrNotFound):
		return problem.New("not_found", "nothing has this id")
	case errors.Is(err, product.ErrExternalIDTaken):
		return problem.Taken("external_id", "another product of this user has this external_id")
	case errors.Is(err, product.ErrTooManyImages):
		return problem.New("too_many_images", "the product has the maximum number of images; remove one first")
	case errors.Is(err, product.ErrConflict):
		return problem.New("conflict", "the resource already exists")
	case errors.Is(err, product.ErrPrecondition):
		return problem.New("precondition_failed", "the product's version is not the one in If-Match; read the product again")
	case errors.Is(err, catalogue.ErrVersionNotReached):
		return problem.OfHeader(header.MinVersionName, "version_not_reached", "is higher than the product's version")
	case errors.Is(err, product.ErrKeyReused):
		return problem.OfHeader(header.IdempotencyKeyName, "idempotency_key_reused",
			"was used for a different request; use a new key for each request")
	case errors.Is(err, product.ErrKeyInProgress):
		return problem.OfHeader(header.IdempotencyKeyName, "idempotency_in_progress",
			"belongs to a request that is still in progress; repeat this request to receive its response").With("Retry-After", "1")
	}
	if p = unexpected(ctx, err); errors.Is(err, product.ErrOverloaded) && ctx.Err() == nil {
		p = admission.Overloaded(admission.ShedDatabase)
	}
	p.Cause = err
	return p
}

// unexpected returns the problem of an error that the client did not cause.
func unexpected(ctx context.Context, err error) *problem.Error {
	deadline, bounded := ctx.Deadline()
	switch {
	// The clock decides, not ctx.Err: if the deadline has ended the connection's
	// reading too, the context may have been cancelled for that reason first.
	case bounded && ctx.Err() != nil && !time.Now().Before(deadline):
		return problem.Retry("timeout", "the request timed out; a write may have been done")
	case ctx.Err() != nil:
		return problem.New("client_closed_request", "the client closed the connection")
	case errors.Is(err, product.ErrUnavailable):
		return problem.Retry("unavailable", "the service cannot reach its database; retry later")
	case errors.Is(err, upload.ErrObjectStore):
		return problem.Retry("object_store_unavailable", "the service cannot reach its object store; retry later")
	}
	return internal()
}

func internal() *problem.Error {
	return problem.New("internal", "internal error; the service's log has the cause under this request_id")
}
