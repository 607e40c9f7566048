package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"vitrine/product"
)

// replayBody is a replay on the wire.
type replayBody struct {
	ID         uuid.UUID           `json:"id"`
	Selection  selectionBody       `json:"selection"`
	State      product.ReplayState `json:"state"`
	Reason     *string             `json:"reason"`
	Rate       int                 `json:"rate"`
	Total      int64               `json:"total"`
	Replayed   int64               `json:"replayed"`
	Skipped    skippedBody         `json:"skipped"`
	Canary     canaryBody          `json:"canary"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
	FinishedAt *time.Time          `json:"finished_at"`
}

// selectionBody is what a replay was asked for: one of its members.
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

// startReplay answers 202: the replay is recorded, and goes on in the background.
func (a *api) startReplay(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	request, err := decodeReplay(body)
	if err != nil {
		return err
	}
	started, err := a.service.StartReplay(r.Context(), request)
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
	if err := noParameters(r); err != nil {
		return err
	}
	replay, err := a.service.Replay(r.Context(), id)
	if err != nil {
		return err
	}
	return sendReplay(w, r, http.StatusOK, replay, "Replay retrieved successfully")
}

func sendReplay(w http.ResponseWriter, r *http.Request, status int, p product.Replay, message string) error {
	data, err := json.Marshal(replayBody{
		ID: p.ID, State: p.State, Reason: p.Reason, Rate: p.Rate, Total: p.Total, Replayed: p.Replayed,
		Selection: selectionBody{ID: p.Letter, Fingerprint: p.Fingerprint, All: p.Letter == nil && p.Fingerprint == nil},
		Skipped:   skippedBody{p.Unreadable, p.Changed, p.Gone, p.Broken},
		Canary:    canaryBody{p.Canary, p.Canaries.Ready, p.Canaries.Failed, p.Canaries.Waiting},
		CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(), FinishedAt: inUTC(p.FinishedAt),
	})
	if err != nil {
		return fmt.Errorf("encode replay: %w", err)
	}
	send(w, r, status, data, message)
	return nil
}

// decodeReplay reads the body of a replay. The error is a *problem that names
// every bad field.
func decodeReplay(body []byte) (product.ReplayRequest, error) {
	o, err := parseObject(body, "id", "fingerprint", "all", "canary", "rate")
	if err != nil {
		return product.ReplayRequest{}, err
	}
	q := product.ReplayRequest{Rate: product.DefaultReplayRate}
	id, state := o.id("id")
	if o.set("id", state) {
		q.Letter = &id
	}
	fingerprint, state := o.text("fingerprint")
	if o.set("fingerprint", state) {
		q.Fingerprint = &fingerprint
	}
	all, state := o.boolean("all")
	if o.set("all", state) {
		if q.All = true; state == given && !all {
			o.fault("all", "invalid", "must be true where it is given")
		}
	}
	if n, state := o.integer("canary"); o.set("canary", state) {
		q.Canary = n
	}
	if n, state := o.integer("rate"); o.set("rate", state) {
		q.Rate = n
	}
	return q, o.verdict(q)
}

// set says whether a member is given, well or badly; null is a fault.
func (o *object) set(name string, state presence) bool {
	if state == null {
		o.require(name, state)
	}
	return state == given || state == bad
}

// boolean reads a member that is true or false.
func (o *object) boolean(name string) (bool, presence) {
	value, state := o.member(name)
	if state != given {
		return false, state
	}
	switch value.Kind() {
	case 't':
		return true, given
	case 'f':
		return false, given
	}
	o.wrongType(name, "a boolean", value)
	return false, bad
}

// integer reads a member that is a whole number, written without a fraction and
// an exponent.
func (o *object) integer(name string) (int, presence) {
	value, state := o.member(name)
	if state != given {
		return 0, state
	}
	if value.Kind() != '0' {
		o.wrongType(name, "a number", value)
		return 0, bad
	}
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil {
		o.fault(name, "invalid_integer", "must be a whole number of a usual size")
		return 0, bad
	}
	return int(n), given
}
