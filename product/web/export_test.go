package web

import (
	"net/http"

	"github.com/sirupsen/logrus"

	"vitrine/product"
)

// What the tests in package web_test see of the decoder.
var (
	DecodeNewProduct = func(body []byte) (product.NewProduct, error) { return decodeNewProduct(body, product.Everything()) }
	DecodeNewKey     = decodeNewKey
	DecodePatch      = decodePatch
	DecodeNewImage   = decodeNewImage
	DecodeImagePatch = decodeImagePatch
	DecodeNewUser    = decodeNewUser
	ParseFilter      = parseFilter
	ParseCondition   = func(values []string) (all bool, versions []int64, ok bool) {
		c, ok := parseCondition(values)
		return c.any, c.versions, ok
	}
	ETag          = etag
	PreferredWait = preferredWait
	PrefersWebP   = prefersWebP
	ParseAccept   = func(values []string) map[string]int { return parseAccept(values) }
	AsProblem     = asProblem
)

// IdempotencyKey reads the header.
func IdempotencyKey(h http.Header) (string, error) { return idempotencyKey(h) }

// IsJSON reports whether a body with this header would be read.
func IsJSON(h http.Header) bool { return hasType(h, []string{typeJSON}) }

// Recover is the middleware alone, round any handler.
func Recover(log *logrus.Logger, next http.Handler) http.Handler {
	return (&api{log: log}).recover(next)
}

// Problem is the error that the decoder and the error mapping give.
type Problem = problem

// Fault is one entry of a Problem.
type Fault = fault

// Route is a line of the route table.
type Route struct {
	Method, Path          string
	Open, FullOnly, Admin bool // whom it answers; with none of them, users with any key
}

// Routes is the whole route table.
func Routes() []Route {
	var routes []Route
	for _, rt := range (&api{}).routes() {
		routes = append(routes, Route{rt.method, rt.path, rt.need == needNothing, rt.need == needFullKey, rt.need == needAdmin})
	}
	return routes
}

// NewServerFor is NewServer with another bound on connections.
var NewServerFor = newServer
