package web

import (
	"net/http"

	"github.com/sirupsen/logrus"
)

// What the tests in package web_test see of the decoder.
var (
	DecodeNewProduct = decodeNewProduct
	DecodePatch      = decodePatch
	DecodeNewUser    = decodeNewUser
	ParseFilter      = parseFilter
	ParseCondition   = func(values []string) (all bool, versions []int64, ok bool) {
		c, ok := parseCondition(values)
		return c.any, c.versions, ok
	}
	ETag          = etag
	PreferredWait = preferredWait
	AsProblem     = asProblem
)

// Recover is the middleware alone, round any handler.
func Recover(log *logrus.Logger, next http.Handler) http.Handler {
	return (&api{log: log}).recover(next)
}

// Problem is the error that the decoder and the error mapping give.
type Problem = problem

// Fault is one entry of a Problem.
type Fault = fault
