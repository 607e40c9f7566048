package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"vitrine/product"
	"vitrine/product/account"
	"vitrine/product/web/access"
	"vitrine/product/web/body"
	"vitrine/product/web/problem"
)

// userBody is the JSON of a user.
type userBody struct {
	ID        int64     `json:"id"`
	Name      *string   `json:"name"`
	Email     *string   `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *api) createUser(w http.ResponseWriter, r *http.Request) error {
	data, once, err := a.readOnce(w, r)
	if err != nil {
		return err
	}
	input, err := body.NewUser(data)
	if err != nil {
		return err
	}
	user, replayed, err := a.Accounts.CreateUser(r.Context(), input, once)
	if errors.Is(err, product.ErrConflict) {
		return problem.Taken("email", "another user has this e-mail address")
	}
	if err != nil {
		return err
	}
	markReplay(w.Header(), replayed)
	locate(w, r, "/users/"+strconv.FormatInt(user.ID, 10))
	return sendUser(w, r, http.StatusCreated, user, "User created successfully")
}

func (a *api) getUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	user, err := a.Accounts.User(r.Context(), access.CallerOf(r).Scope, id)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", revalidate)
	return sendUser(w, r, http.StatusOK, user, "User retrieved successfully")
}

func sendUser(w http.ResponseWriter, r *http.Request, status int, u account.User, message string) error {
	return sendJSON(w, r, status, userBody{u.ID, u.Name, u.Email, u.CreatedAt.UTC()}, message)
}
