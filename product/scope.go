package product

import (
	"database/sql"
	"errors"
	"math"
	"strconv"
)

// Scope is whose products and users a call sees and changes: those of one user,
// or all. What lies outside does not exist for the call. The zero value covers
// nothing.
type Scope struct {
	user int64
	all  bool
	open bool
}

// Everything is the scope of whoever may see all users' products.
func Everything() Scope { return Scope{all: true} }

// OpenAccess is the scope of an API without access control: everything. In it, a product
// may be created for a user that does not exist yet; the user is created with it.
func OpenAccess() Scope { return Scope{all: true, open: true} }

// maxChosenUser is the largest id that a user created with a product may have.
const maxChosenUser = math.MaxInt32

// creates reports whether a product for user also creates the user, if there is none.
func (s Scope) Creates(user int64) bool { return s.open && user <= maxChosenUser }

// OwnedBy is the scope of a user's own products and account.
func OwnedBy(user int64) Scope { return Scope{user: user} }

// User gives the one user of the scope; false where it covers everything.
func (s Scope) User() (int64, bool) { return s.user, !s.all }

// Covers reports whether what belongs to user is in the scope.
func (s Scope) Covers(user int64) bool {
	return s.all || s.user == user && user != 0
}

// narrow gives what of the scope belongs to user; nil stands for whoever. False:
// nothing does.
func (s Scope) Narrow(user *int64) (Scope, bool) {
	if user == nil {
		return s, true
	}
	return OwnedBy(*user), s.Covers(*user)
}

// owner is the parameter of every statement that serves a user: null stands for
// everything, and no user has the id 0.
func (s Scope) Owner() sql.NullInt64 {
	return sql.NullInt64{Int64: s.user, Valid: !s.all}
}

// group names the callers that may share what was read for one of them.
func (s Scope) Group() string {
	if s.all {
		return ""
	}
	return strconv.FormatInt(s.user, 10)
}

// errForeign is what a call finds where another user's thing lies: nothing.
var ErrForeign = errors.Join(ErrNotFound, errors.New("belongs to another user"))
