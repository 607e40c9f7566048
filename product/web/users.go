package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vitrine/product"
)

// userBody is a user on the wire.
type userBody struct {
	ID        int64     `json:"id"`
	Name      *string   `json:"name"`
	Email     *string   `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *api) createUser(w http.ResponseWriter, r *http.Request) error {
	body, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := decodeNewUser(body)
	if err != nil {
		return err
	}
	user, replayed, err := a.service.CreateUserOnce(r.Context(), input, once)
	if errors.Is(err, product.ErrConflict) {
		return taken("email", "there is a user with this e-mail address already")
	}
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	locate(w, r, "/users/"+formatNumber(user.ID))
	return sendUser(w, r, http.StatusCreated, user, "User created successfully")
}

func (a *api) getUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	user, err := a.service.User(r.Context(), a.access.scope(r), id)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", revalidate)
	return sendUser(w, r, http.StatusOK, user, "User retrieved successfully")
}

func sendUser(w http.ResponseWriter, r *http.Request, status int, u product.User, message string) error {
	data, err := json.Marshal(userBody{u.ID, u.Name, u.Email, u.CreatedAt.UTC()})
	if err != nil {
		return fmt.Errorf("encode user: %w", err)
	}
	send(w, r, status, data, message)
	return nil
}
