package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"vitrine/product/catalogue"
	"vitrine/product/web/access"
	"vitrine/product/web/problem"
	"vitrine/product/web/query"
)

// attemptBody is the JSON of an attempt. Code and detail are null if it succeeded.
type attemptBody struct {
	Attempt    int       `json:"attempt"`
	Generation int64     `json:"generation"`
	Stage      string    `json:"stage"`
	Outcome    string    `json:"outcome"`
	Code       *string   `json:"code"`
	Detail     *string   `json:"detail"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS int64     `json:"duration_ms"`
	Worker     string    `json:"worker"`
	RequestID  string    `json:"request_id"`
}

// retryImage answers 202: the image is pending and is processed in the background. A
// body is ignored.
func (a *api) retryImage(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	pre, err := a.precondition(r, id)
	if err != nil {
		return err
	}
	updated, err := a.Catalogue.RetryImage(r.Context(), access.CallerOf(r).Scope, id, image, pre)
	if errors.Is(err, catalogue.ErrNotFailed) {
		return problem.New("image_not_failed", "the image has not failed, so it cannot be retried")
	}
	if err != nil {
		return err
	}
	describe(w.Header(), updated.Version)
	locate(w, r, "/products/"+strconv.FormatInt(id, 10))
	send(w, r, http.StatusAccepted, updated.Data, "Image will be processed again")
	return nil
}

func (a *api) listAttempts(w http.ResponseWriter, r *http.Request) error {
	id, image, err := pathImage(r)
	if err != nil {
		return err
	}
	if err := query.None(r); err != nil {
		return err
	}
	attempts, err := a.Jobs.Attempts(r.Context(), access.CallerOf(r).Scope, id, image)
	if err != nil {
		return err
	}
	bodies := make([]attemptBody, len(attempts))
	for i, attempt := range attempts {
		bodies[i] = attemptBody{
			Attempt: attempt.Attempt, Generation: attempt.Generation, Stage: string(attempt.Stage), Outcome: attempt.Outcome,
			Code: orNull(attempt.Code), Detail: orNull(attempt.Detail), StartedAt: attempt.StartedAt.UTC(),
			DurationMS: attempt.Duration.Milliseconds(), Worker: attempt.Worker, RequestID: attempt.RequestID,
		}
	}
	w.Header().Set("Cache-Control", revalidate)
	return sendJSON(w, r, http.StatusOK, bodies, "Attempts retrieved successfully")
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
