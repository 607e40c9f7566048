// Package account manages users and their API keys: it creates them, verifies keys on
// every request, and revokes keys so that every replica refuses them within five seconds.
//
// It imports packages product, product/postgres and product/outbox.
//
// Begin with [Service] in user.go. The life of a key is in keys.go, its form in
// api_key.go, and its verification, with and without PostgreSQL, in keyring.go.
package account
