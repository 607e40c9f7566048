// Package postgres connects the service to PostgreSQL. It has what every package with SQL
// shares: connections that end with their contexts, transactions, admission of clients'
// calls, the translation of driver errors into those of package product, the schema's
// migration, idempotency keys, helpers for rows, and the loop of background tasks.
//
// It imports only package product. The tables, idempotency keys apart, belong to the
// packages above it.
//
// Begin with [DB.Read] and [DB.InTx] in db.go, then read [Translate] for the errors and
// [Poll] for background tasks.
package postgres
