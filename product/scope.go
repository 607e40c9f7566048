package product

import (
	"database/sql"
	"math"
	"strconv"
)

// Scope determines whose products and accounts a call can see and change: those of one
// user, or all. For the call, everything outside its scope does not exist. The zero
// value covers nothing.
type Scope struct {
	user int64
	all  bool
	open bool
}

// Everything returns the scope that covers all users.
func Everything() Scope { return Scope{all: true} }

// OpenAccess returns the scope of an API without access control. It covers all users,
// and creating a product for an unknown user also creates the user.
func OpenAccess() Scope { return Scope{all: true, open: true} }

// maxChosenUser is the largest id of a user that is created with a product.
const maxChosenUser = math.MaxInt32

// Creates reports whether creating a product for user also creates the user if missing.
func (s Scope) Creates(user int64) bool { return s.open && user <= maxChosenUser }

// OwnedBy returns the scope of a user's own products and account.
func OwnedBy(user int64) Scope { return Scope{user: user} }

// User returns the one user of the scope, or false if the scope covers all users.
func (s Scope) User() (int64, bool) { return s.user, !s.all }

// Covers reports whether the scope includes the user's products and account.
func (s Scope) Covers(user int64) bool {
	return s.all || s.user == user && user != 0
}

// Narrow returns the scope limited to one user, unless user is nil, and reports whether
// the scope covers that user.
func (s Scope) Narrow(user *int64) (Scope, bool) {
	if user == nil {
		return s, true
	}
	return OwnedBy(*user), s.Covers(*user)
}

// Owner returns the scope as a parameter of SQL statements: the user's id, or NULL if
// the scope covers all users. No user has the id 0.
func (s Scope) Owner() sql.NullInt64 {
	return sql.NullInt64{Int64: s.user, Valid: !s.all}
}

// Group returns a name for the callers that may share the result of one read.
func (s Scope) Group() string {
	if s.all {
		return ""
	}
	return strconv.FormatInt(s.user, 10)
}
