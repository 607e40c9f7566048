package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"vitrine/product"
)

// statusClientClosed is what the log says of a request whose client went away;
// nobody reads that answer. The number is nginx's.
const statusClientClosed = 499

// asProblem is the one place that turns an error into a status. What it does not
// know is a defect of ours: 500, and nothing of the error is shown.
func asProblem(ctx context.Context, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var invalid *product.ValidationError
	switch {
	case errors.As(err, &invalid):
		return badFields(invalid.Fields)
	case errors.Is(err, product.ErrNotFound):
		return newProblem(http.StatusNotFound, "not_found", "there is nothing with this id")
	case errors.Is(err, product.ErrExternalIDTaken):
		return taken(fieldExternalID, "another product of this user has this external_id")
	case errors.Is(err, product.ErrTooManyImages):
		return newProblem(http.StatusConflict, "too_many_images", "the product has as many images as it can")
	case errors.Is(err, product.ErrConflict):
		return newProblem(http.StatusConflict, "conflict", "it exists already")
	case errors.Is(err, product.ErrPrecondition):
		return newProblem(http.StatusPreconditionFailed, "precondition_failed",
			"the product has changed: its version is not the one that If-Match names")
	case errors.Is(err, product.ErrVersionNotReached):
		return headerProblem(http.StatusPreconditionFailed, minVersionHeader, "version_not_reached",
			"names a version that the product has not reached")
	case errors.Is(err, product.ErrKeyReused):
		return headerProblem(http.StatusUnprocessableEntity, keyHeader, "idempotency_key_reused",
			"was used for another request already; each request needs a key of its own")
	case errors.Is(err, product.ErrKeyInProgress):
		return headerProblem(http.StatusConflict, keyHeader, "idempotency_in_progress",
			"belongs to a request that is still under way; its answer can be had soon").with("Retry-After", "1")
	}
	if p = outOfReach(ctx, err); errors.Is(err, product.ErrOverloaded) && ctx.Err() == nil {
		p = overloaded(shedDatabase)
	}
	p.cause = err
	return p
}

// outOfReach sorts the failures that are no client's fault.
func outOfReach(ctx context.Context, err error) *problem {
	deadline, bounded := ctx.Deadline()
	switch {
	// The clock decides, not ctx.Err: when the deadline has cut the connection's
	// reading too, the context may have been cancelled for that reason first.
	case bounded && ctx.Err() != nil && !time.Now().Before(deadline):
		return retryLater("timeout", "the request took too long; nothing is known of its outcome")
	case ctx.Err() != nil:
		return newProblem(statusClientClosed, "client_closed_request", "the client closed the connection")
	case errors.Is(err, product.ErrUnavailable):
		return retryLater("unavailable", "the service cannot reach its database; try again soon")
	case errors.Is(err, product.ErrObjectStore):
		return retryLater("object_store_unavailable", "the service cannot reach its object store; try again soon")
	}
	return internal()
}

func internal() *problem {
	return newProblem(http.StatusInternalServerError, "internal",
		"an error inside the service; its log has the cause under this request_id")
}

func retryLater(code, detail string) *problem {
	return newProblem(http.StatusServiceUnavailable, code, detail).with("Retry-After", "1")
}
