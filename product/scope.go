package product

import (
	"errors"

	"github.com/google/uuid"
)

// Scope is whose products and users a call sees and changes: those of one user,
// or all. What lies outside does not exist for the call. The zero value covers
// nothing.
type Scope struct {
	user uuid.UUID
	all  bool
}

// Everything is the scope of whoever may see all users' products.
func Everything() Scope { return Scope{all: true} }

// OwnedBy is the scope of a user's own products and account.
func OwnedBy(user uuid.UUID) Scope { return Scope{user: user} }

// User gives the one user of the scope; false where it covers everything.
func (s Scope) User() (uuid.UUID, bool) { return s.user, !s.all }

// Covers reports whether what belongs to user is in the scope.
func (s Scope) Covers(user uuid.UUID) bool {
	return s.all || s.user == user && user != uuid.Nil
}

// narrow gives what of the scope belongs to user; nil stands for whoever. False:
// nothing does.
func (s Scope) narrow(user *uuid.UUID) (Scope, bool) {
	if user == nil {
		return s, true
	}
	return OwnedBy(*user), s.Covers(*user)
}

// owner is the parameter of every statement that serves a user: null stands for
// everything, and no user has the nil UUID.
func (s Scope) owner() uuid.NullUUID {
	return uuid.NullUUID{UUID: s.user, Valid: !s.all}
}

// group names the callers that may share what was read for one of them.
func (s Scope) group() string {
	if s.all {
		return ""
	}
	return s.user.String()
}

// errForeign is what a call finds where another user's thing lies: nothing.
var errForeign = errors.Join(ErrNotFound, errors.New("belongs to another user"))
