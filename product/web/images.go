package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vitrine/imaging"
	"vitrine/product"
)

// attemptBody is a try on the wire. Code and detail are null where it ended as
// ready.
type attemptBody struct {
	Attempt    int           `json:"attempt"`
	Generation int64         `json:"generation"`
	Stage      imaging.Stage `json:"stage"`
	Outcome    string        `json:"outcome"`
	Code       *string       `json:"code"`
	Detail     *string       `json:"detail"`
	StartedAt  time.Time     `json:"started_at"`
	DurationMS int64         `json:"duration_ms"`
	Worker     string        `json:"worker"`
	RequestID  string        `json:"request_id"`
}

// retryImage answers 202: the product shows the image as pending, and the work
// goes on behind it. A body is not read.
func (a *api) retryImage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	image, err := pathUUID(r, "image")
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.service.RetryImage(r.Context(), a.access.scope(r), id, image, pre)
	if errors.Is(err, product.ErrNotFailed) {
		return newProblem(http.StatusConflict, "image_not_failed", "the image has not failed: there is nothing to retry")
	}
	if err != nil {
		return err
	}
	describe(w.Header(), updated)
	locate(w, r, "/products/"+formatNumber(id))
	send(w, r, http.StatusAccepted, updated.Data, "Image will be processed again")
	return nil
}

func (a *api) listAttempts(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	image, err := pathUUID(r, "image")
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	attempts, err := a.service.Attempts(r.Context(), a.access.scope(r), id, image)
	if err != nil {
		return err
	}
	bodies := make([]attemptBody, len(attempts))
	for i, t := range attempts {
		bodies[i] = attemptBody{
			Attempt: t.Attempt, Generation: t.Generation, Stage: t.Stage, Outcome: t.Outcome,
			Code: orNull(t.Code), Detail: orNull(t.Detail), StartedAt: t.StartedAt.UTC(),
			DurationMS: t.Duration.Milliseconds(), Worker: t.Worker, RequestID: t.RequestID,
		}
	}
	data, err := json.Marshal(bodies)
	if err != nil {
		return fmt.Errorf("encode attempts: %w", err)
	}
	w.Header().Set("Cache-Control", revalidate)
	send(w, r, http.StatusOK, data, "Attempts retrieved successfully")
	return nil
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
