package web

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"vitrine/product/deadletter"
	"vitrine/product/web/body"
	"vitrine/product/web/query"
)

// replayBody is the JSON of a replay.
type replayBody struct {
	ID         uuid.UUID              `json:"id"`
	Selection  selectionBody          `json:"selection"`
	State      deadletter.ReplayState `json:"state"`
	Reason     *string                `json:"reason"`
	Rate       int                    `json:"rate"`
	Total      int64                  `json:"total"`
	Replayed   int64                  `json:"replayed"`
	Skipped    skippedBody            `json:"skipped"`
	Canary     canaryBody             `json:"canary"`
	CreatedAt  time.Time              `json:"created_at"`
	UpdatedAt  time.Time              `json:"updated_at"`
	FinishedAt *time.Time             `json:"finished_at"`
}

// selectionBody is what a replay selects: one of its members.
type selectionBody struct {
	ID          *uuid.UUID `json:"id,omitempty"`
	Fingerprint *string    `json:"fingerprint,omitempty"`
	All         bool       `json:"all,omitempty"`
}

type skippedBody struct {
	Unreadable   int64 `json:"unreadable"`
	ImageChanged int64 `json:"image_changed"`
	ImageGone    int64 `json:"image_gone"`
	Internal     int64 `json:"internal"`
}

type canaryBody struct {
	Wanted  int `json:"wanted"`
	Ready   int `json:"ready"`
	Failed  int `json:"failed"`
	Waiting int `json:"waiting"`
}

// startReplay answers 202: the replay is stored and runs in the background.
func (a *api) startReplay(w http.ResponseWriter, r *http.Request) error {
	data, err := body.Read(w, r, body.JSON)
	if err != nil {
		return err
	}
	request, err := body.Replay(data)
	if err != nil {
		return err
	}
	started, err := a.DeadLetters.StartReplay(r.Context(), request)
	if err != nil {
		return err
	}
	locate(w, r, "/admin/dead-letters/replays/"+started.ID.String())
	return sendReplay(w, r, http.StatusAccepted, started, "Replay started")
}

func (a *api) getReplay(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "id")
	if err != nil {
		return err
	}
	if err := query.None(r); err != nil {
		return err
	}
	replay, err := a.DeadLetters.Replay(r.Context(), id)
	if err != nil {
		return err
	}
	return sendReplay(w, r, http.StatusOK, replay, "Replay retrieved successfully")
}

func sendReplay(w http.ResponseWriter, r *http.Request, status int, p deadletter.Replay, message string) error {
	return sendJSON(w, r, status, replayBody{
		ID: p.ID, State: p.State, Reason: p.Reason, Rate: p.Rate, Total: p.Total, Replayed: p.Replayed,
		Selection: selectionBody{ID: p.DeadLetter, Fingerprint: p.Fingerprint, All: p.DeadLetter == nil && p.Fingerprint == nil},
		Skipped:   skippedBody{p.Unreadable, p.Changed, p.Gone, p.Broken},
		Canary:    canaryBody{p.Canary, p.Canaries.Ready, p.Canaries.Failed, p.Canaries.Waiting},
		CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(), FinishedAt: inUTC(p.FinishedAt),
	}, message)
}
