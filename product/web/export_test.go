package web

import (
	"net/http"

	"github.com/sirupsen/logrus"

	"vitrine/product/deadletter"
	"vitrine/product/web/access"
)

// What the tests in package web_test see of the API.
var AsProblem = asProblem

// Recover is the middleware alone, around any handler.
func Recover(log *logrus.Logger, next http.Handler) http.Handler {
	return (&api{log: log}).recover(next)
}

// Route is a line of the route table.
type Route struct {
	Method, Path          string
	Open, FullOnly, Admin bool // the access it requires; with none of them, any key
}

// Routes returns the whole route table.
func Routes() []Route {
	var routes []Route
	for _, rt := range (&api{}).routes() {
		routes = append(routes, Route{rt.method, rt.path, rt.need == access.Nothing, rt.need == access.FullKey, rt.need == access.Admin})
	}
	return routes
}

// ShowPayload returns the payload of a dead letter as a list shows it, whose message
// had whole bytes.
func ShowPayload(payload []byte, whole int) (text, encoding string, truncated bool) {
	b := letterOf(deadletter.Record{Payload: payload, PayloadBytes: whole})
	return b.Payload, b.PayloadEncoding, b.PayloadTruncated
}
