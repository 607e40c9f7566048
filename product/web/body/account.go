package body

import (
	"time"

	"vitrine/product/account"
)

// NewUser decodes the body of POST /users.
func NewUser(body []byte) (account.NewUser, error) {
	o, err := parseObject(body, "name", "email")
	if err != nil {
		return account.NewUser{}, err
	}
	var u account.NewUser
	u.Name, _ = o.nonempty("name")
	u.Email, _ = o.nonempty("email")
	return u, o.verdict(u)
}

// NewKey decodes the body of POST /users/{id}/keys. Null means absent for all fields
// but read_only, for which it is ambiguous.
func NewKey(body []byte, now time.Time) (account.NewAPIKey, error) {
	const fieldReadOnly, fieldExpiresAt, fieldExpiresIn = "read_only", "expires_at", "expires_in"
	o, err := parseObject(body, "name", fieldReadOnly, fieldExpiresAt, fieldExpiresIn)
	if err != nil {
		return account.NewAPIKey{}, err
	}
	var n account.NewAPIKey
	var state presence
	n.Name, _ = o.text("name")
	n.ReadOnly, state = o.boolean(fieldReadOnly)
	o.set(fieldReadOnly, state)
	at, atState := o.time(fieldExpiresAt)
	if atState == given {
		n.ExpiresAt = &at
	}
	seconds, inState := o.integer(fieldExpiresIn)
	switch {
	case inState != given:
	case atState != absent && atState != null:
		o.Fault(fieldExpiresIn, "conflict", "must not be combined with "+fieldExpiresAt)
	case seconds < 1:
		o.Fault(fieldExpiresIn, "out_of_range", "must be a number of seconds, at least 1")
	default:
		end := now.Add(time.Duration(seconds) * time.Second)
		n.ExpiresAt = &end
	}
	return n, o.verdict(n)
}
