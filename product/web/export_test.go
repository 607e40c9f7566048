package web

import (
	"net/http"

	"github.com/sirupsen/logrus"

	"vitrine/product/deadletter"
	"vitrine/product/web/access"
)

// Internals that the tests use.
var AsProblem = asProblem

// Recover returns handler with only the recovery middleware.
func Recover(log *logrus.Logger, next http.Handler) http.Handler {
	return (&api{log: log}).recover(next)
}

// Route is an entry of the route table.
type Route struct {
	Method, Path          string
	Open, FullOnly, Admin bool // the access it requires; with none of them, any key
}

// Routes returns the route table.
func Routes() []Route {
	var routes []Route
	for _, rt := range (&api{}).routes() {
		routes = append(routes, Route{rt.method, rt.path, rt.need == access.Nothing, rt.need == access.FullKey, rt.need == access.Admin})
	}
	return routes
}

// ShowPayload returns the payload of a dead letter as a list shows it. whole is the length of
// its message in bytes.
func ShowPayload(payload []byte, whole int) (text, encoding string, truncated bool) {
	b := letterOf(deadletter.Record{Payload: payload, PayloadBytes: whole})
	return b.Payload, b.PayloadEncoding, b.PayloadTruncated
}
