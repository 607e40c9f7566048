package problem

import "net/http"

// Kind describes the problems with one code.
type Kind struct {
	Code    string
	Status  int
	Title   string // the same for every problem with this code (RFC 9457, section 3.1.3)
	Meaning string // when it is returned
	Remedy  string // what the client, or its author, should do
	Detail  string // of an example
	// Headers are those that every such response has.
	Headers []string
}

// StatusClientClosed is what logs show for a request whose client disconnected;
// nobody reads that response. The number is nginx's.
const StatusClientClosed = 499

// Kinds lists every code that an error response can have, by status.
var Kinds = []Kind{
	{
		Code: "empty_body", Status: http.StatusBadRequest, Title: "Empty body",
		Meaning: "The route expects a JSON object, and the request has no body or only white space.",
		Remedy:  "Send the JSON object that the route describes. Check that the client sets the body before it sends the request.",
		Detail:  "the body is empty; send a JSON object",
	},
	{
		Code: "malformed_json", Status: http.StatusBadRequest, Title: "Malformed JSON",
		Meaning: "The body is not valid JSON (RFC 8259). The detail says at which byte parsing stopped.",
		Remedy:  "Write the body with a JSON encoder. The usual causes are unescaped quotes, comments and trailing commas.",
		Detail:  "the body is not valid JSON at byte 17",
	},
	{
		Code: "invalid_utf8", Status: http.StatusBadRequest, Title: "Body is not UTF-8",
		Meaning: "The body contains bytes that are not valid UTF-8. Replacing them would store something that the client did not send.",
		Remedy:  "Encode the body in UTF-8. The usual causes are Latin-1 and Windows-1252.",
		Detail:  "the body is not valid UTF-8",
	},
	{
		Code: "nesting_too_deep", Status: http.StatusBadRequest, Title: "Body nested too deeply",
		Meaning: "Arrays and objects in the body are nested more than 32 levels deep.",
		Remedy:  "Send what the route describes; no route needs more than three levels.",
		Detail:  "arrays and objects must not be nested more than 32 levels deep",
	},
	{
		Code: "trailing_data", Status: http.StatusBadRequest, Title: "Data after the JSON document",
		Meaning: "The body continues after its JSON document.",
		Remedy:  "Send one document per request.",
		Detail:  "the body must be one JSON document with nothing after it",
	},
	{
		Code: "unreadable_body", Status: http.StatusBadRequest, Title: "Incomplete body",
		Meaning: "The body ended before its announced length, or its chunks are not framed correctly.",
		Remedy:  "Send the request again. If it fails again, check the client and the proxies in between: Content-Length does not match the body.",
		Detail:  "the body is incomplete or not framed correctly", Headers: []string{"Connection"},
	},
	{
		Code: "invalid_parameters", Status: http.StatusBadRequest, Title: "Invalid query parameters",
		Meaning: "A query parameter is unknown, repeated, malformed, or has a value that is not allowed. Unknown parameters are refused because ignoring a misspelt filter would return products that the client did not ask for.",
		Remedy:  "Correct the parameters listed in `errors`.",
		Detail:  "the query has invalid parameters; see errors",
	},
	{
		Code: "invalid_entity_tag", Status: http.StatusBadRequest, Title: "Invalid If-Match header",
		Meaning: "The header If-Match is neither `*` nor a list of entity tags. It is not ignored, because the write would then be unprotected.",
		Remedy:  "Send the ETag of an earlier response unchanged, including its quotes.",
		Detail:  `the header If-Match must be * or a list of entity tags such as "7"`,
	},
	{
		Code: "invalid_version", Status: http.StatusBadRequest, Title: "Invalid Min-Version header",
		Meaning: "The header Min-Version is not a version as sent in Product-Version. It is not ignored, because the response could then be older than the client expects.",
		Remedy:  "Send the Product-Version of an earlier response unchanged.",
		Detail:  "the header Min-Version must be a version as sent in Product-Version, such as 7",
	},
	{
		Code: "invalid_event_id", Status: http.StatusBadRequest, Title: "Invalid Last-Event-ID header",
		Meaning: "The header Last-Event-ID is not the id of an event.",
		Remedy:  "Send the id of the last event received, unchanged. Omit the header to receive new events only.",
		Detail:  "the header Last-Event-ID must be the id of an event",
	},
	{
		Code: "malformed_form", Status: http.StatusBadRequest, Title: "Form without a boundary",
		Meaning: "The Content-Type of the form does not name the boundary between its parts.",
		Remedy:  "Let the HTTP library build the form and its Content-Type; do not set the header by hand.",
		Detail:  "Content-Type must name the boundary between the form's parts",
	},
	{
		Code: "not_supported", Status: http.StatusBadRequest, Title: "Header not supported here",
		Meaning: "The request has an Idempotency-Key. The response contains a secret that is not stored, so it could not be repeated.",
		Remedy:  "Omit the header. If a response is lost, list the API keys and revoke the one that was not received.",
		Detail:  "the header Idempotency-Key is not supported here: the response contains a secret that is not stored",
	},
	{
		Code: "invalid_idempotency_key", Status: http.StatusBadRequest, Title: "Invalid idempotency key",
		Meaning: "The header Idempotency-Key is repeated, empty, longer than 255 characters, or contains characters other than visible ASCII.",
		Remedy:  "Use a new UUID for each request, and the same one when the request is repeated.",
		Detail:  "the header Idempotency-Key must be one value of 1 to 255 visible ASCII characters",
	},
	{
		Code: "unauthorized", Status: http.StatusUnauthorized, Title: "Missing credentials",
		Meaning: "The route requires one `Authorization: Bearer` header, and the request has none or several.",
		Remedy:  "Send the header with an API key or the token that the operator of the service gave you.",
		Detail:  "send one Authorization header with a bearer token", Headers: []string{"WWW-Authenticate"},
	},
	{
		Code: "invalid_token", Status: http.StatusUnauthorized, Title: "Invalid credentials",
		Meaning: "The bearer token is unknown, expired or revoked.",
		Remedy:  "Check that the token has no missing or additional characters and belongs to this installation.",
		Detail:  "the bearer token is not valid", Headers: []string{"WWW-Authenticate"},
	},
	{
		Code: "read_only_key", Status: http.StatusForbidden, Title: "Read-only API key",
		Meaning: "The request changes something or manages API keys, but its API key is read-only.",
		Remedy:  "Use a key that is not read-only.",
		Detail:  "this API key is read-only",
	},
	{
		Code: "admin_only", Status: http.StatusForbidden, Title: "Administrator only",
		Meaning: "The route is reserved for the administrator, and the request was made with a user's API key.",
		Remedy:  "Use the administrator's token.",
		Detail:  "only the administrator may do this",
	},
	{
		Code: "variant_not_found", Status: http.StatusNotFound, Title: "No such variant",
		Meaning: "The image exists, but it is not ready, or it was processed before this size was introduced.",
		Remedy:  "Wait until the image is ready; `Prefer: wait=30` on the product helps. Reprocess the product to create a missing size.",
		Detail:  "the image is not ready in this size",
	},
	{
		Code: "not_found", Status: http.StatusNotFound, Title: "Not found",
		Meaning: "Nothing has the id in the path: it never existed, was deleted, is not a valid id, or belongs to another user.",
		Remedy:  "Use ids from responses of this API.",
		Detail:  "nothing has this id",
	},
	{
		Code: "no_such_route", Status: http.StatusNotFound, Title: "No such route",
		Meaning: "The API has no route at the path of the request, whatever its method.",
		Remedy:  "Compare the path with the list of routes. Paths do not end with a slash and are case-sensitive.",
		Detail:  "no route matches this path",
	},
	{
		Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
		Meaning: "The path has a route, but not for the method of the request.",
		Remedy:  "Use one of the methods listed in the Allow header.",
		Detail:  "this path accepts GET, HEAD, POST", Headers: []string{"Allow"},
	},
	{
		Code: "request_timeout", Status: http.StatusRequestTimeout, Title: "Body not received in time",
		Meaning: "The whole request did not arrive within ten seconds. Nothing was changed.",
		Remedy:  "Send the request again. If this happens often, the network in between is slow or loses packets.",
		Detail:  "the body did not arrive in time", Headers: []string{"Connection"},
	},
	{
		Code: "conflict", Status: http.StatusConflict, Title: "Already exists",
		Meaning: "A value that must be unique is already in use, such as the e-mail address of a user.",
		Remedy:  "Use the existing resource, or choose another value for the field listed in `errors`.",
		Detail:  "another user has this e-mail address",
	},
	{
		Code: "idempotency_in_progress", Status: http.StatusConflict, Title: "First request still in progress",
		Meaning: "An earlier request with the same Idempotency-Key is still in progress.",
		Remedy:  "Wait for Retry-After and send the same request with the same key again: it receives the response to the first one.",
		Detail:  "the header Idempotency-Key belongs to a request that is still in progress; repeat this request to receive its response", Headers: []string{"Retry-After"},
	},
	{
		Code: "image_not_failed", Status: http.StatusConflict, Title: "Image has not failed",
		Meaning: "Only a failed image can be retried; this one is ready or in progress.",
		Remedy:  "Read the product to see the image's status. To use another image, change product_images.",
		Detail:  "the image has not failed, so it cannot be retried",
	},
	{
		Code: "too_many_images", Status: http.StatusConflict, Title: "Too many images",
		Meaning: "The product already has 20 images, the maximum.",
		Remedy:  "Remove an image first.",
		Detail:  "the product has the maximum number of images; remove one first",
	},
	{
		Code: "too_many_keys", Status: http.StatusConflict, Title: "Too many API keys",
		Meaning: "The user already has 10 valid API keys, the maximum.",
		Remedy:  "Revoke a key that is no longer needed; last_used_at helps you find it.",
		Detail:  "the user has the maximum number of valid API keys; revoke one first",
	},
	{
		Code: "precondition_failed", Status: http.StatusPreconditionFailed, Title: "Product has changed",
		Meaning: "The product's version is not the one in If-Match: another client or the processing of its images changed it first. This request changed nothing.",
		Remedy:  "Read the product, apply the change to its current state, and send it with the new ETag.",
		Detail:  "the product's version is not the one in If-Match; read the product again",
	},
	{
		Code: "version_not_reached", Status: http.StatusPreconditionFailed, Title: "Version not reached",
		Meaning: "The product has not reached the version in Min-Version.",
		Remedy:  "Use versions from the Product-Version header of responses about this product.",
		Detail:  "the header Min-Version is higher than the product's version",
	},
	{
		Code: "body_too_large", Status: http.StatusRequestEntityTooLarge, Title: "Body too large",
		Meaning: "The body is larger than 1 MiB, or a form has too much data besides its file.",
		Remedy:  "Send less: the largest valid body is a tenth of that size. Images are sent as URLs, or as a file in a form.",
		Detail:  "the body must not be larger than 1048576 bytes", Headers: []string{"Connection"},
	},
	{
		Code: "file_too_large", Status: http.StatusRequestEntityTooLarge, Title: "File too large",
		Meaning: "The file in the form is larger than the service accepts.",
		Remedy:  "Send a smaller file; the detail says how large it may be.",
		Detail:  "the file must not be larger than 20971520 bytes", Headers: []string{"Connection"},
	},
	{
		Code: "unsupported_media_type", Status: http.StatusUnsupportedMediaType, Title: "Unsupported media type",
		Meaning: "Content-Type is missing or is not one that the route accepts, or its charset is not UTF-8. A missing Content-Type is refused because web pages can send such requests to any address without a preflight.",
		Remedy:  "Set Content-Type to a type listed in the response's Accept header.",
		Detail:  "the body must be application/json in UTF-8; set Content-Type", Headers: []string{"Accept"},
	},
	{
		Code: "unsupported_content_encoding", Status: http.StatusUnsupportedMediaType, Title: "Unsupported content encoding",
		Meaning: "Content-Encoding says that the body is compressed, which the service does not accept.",
		Remedy:  "Send the body uncompressed.",
		Detail:  "the body must not be compressed", Headers: []string{"Accept-Encoding"},
	},
	{
		Code: "validation_failed", Status: http.StatusUnprocessableEntity, Title: "Invalid fields",
		Meaning: "The body is valid JSON, but some of its fields are missing, unknown, of the wrong type, or have values that are not allowed. Nothing was changed.",
		Remedy:  "Correct the fields listed in `errors`.",
		Detail:  "the body has invalid fields; see errors",
	},
	{
		Code: "idempotency_key_reused", Status: http.StatusUnprocessableEntity, Title: "Idempotency key reused",
		Meaning: "A different request used the same Idempotency-Key within the last 24 hours: its route or the bytes of its body were different.",
		Remedy:  "Use a new key for each request. Send the same bytes when repeating one.",
		Detail:  "the header Idempotency-Key was used for a different request; use a new key for each request",
	},
	{
		Code: "rate_limited", Status: http.StatusTooManyRequests, Title: "Too many requests",
		Meaning: "The API key or the client's address has used up its quota of requests, or of failed authentications, for the current minute. Nothing was changed.",
		Remedy:  "Wait for Retry-After. The RateLimit header of every response says how many requests are left.",
		Detail:  "too many requests with this API key: 1200 per 60 seconds are allowed; retry in 1 seconds", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_headers", Status: http.StatusRequestHeaderFieldsTooLarge, Title: "Too many header lines",
		Meaning: "The request has more than 100 header lines.",
		Remedy:  "Send fewer header lines; requests rarely have more than twenty. A request header larger than 32 KiB also gets a 431, without a body.",
		Detail:  "a request must not have more than 100 header lines",
	},
	{
		Code: "client_closed_request", Status: StatusClientClosed, Title: "Client closed the connection",
		Meaning: "The client disconnected before the response was sent. This code appears in logs only.",
		Remedy:  "Increase the client's timeout. A write may have been done: repeat it with its Idempotency-Key.",
		Detail:  "the client closed the connection",
	},
	{
		Code: "internal", Status: http.StatusInternalServerError, Title: "Internal error",
		Meaning: "The service has a defect. Its log has the cause under the request_id.",
		Remedy:  "Report the request_id to the operator of the service.",
		Detail:  "internal error; the service's log has the cause under this request_id",
	},
	{
		Code: "timeout", Status: http.StatusServiceUnavailable, Title: "Request timed out",
		Meaning: "The request was not completed within ten seconds. A write may or may not have been done.",
		Remedy:  "Wait for Retry-After and send the request again; for a write, use the same Idempotency-Key.",
		Detail:  "the request timed out; a write may have been done", Headers: []string{"Retry-After"},
	},
	{
		Code: "unavailable", Status: http.StatusServiceUnavailable, Title: "Database unavailable",
		Meaning: "The service cannot reach its database. A write may or may not have been done.",
		Remedy:  "Wait for Retry-After and send the request again; for a write, use the same Idempotency-Key.",
		Detail:  "the service cannot reach its database; retry later", Headers: []string{"Retry-After"},
	},
	{
		Code: "overloaded", Status: http.StatusServiceUnavailable, Title: "Service overloaded",
		Meaning: "The process has reached its limit of concurrent requests, of memory for bodies, or of calls waiting for the database. Nothing was changed.",
		Remedy:  "Wait for Retry-After and send the request again, with increasing delays.",
		Detail:  "the service is overloaded; nothing was changed, retry later", Headers: []string{"Retry-After"},
	},
	{
		Code: "object_store_unavailable", Status: http.StatusServiceUnavailable, Title: "Object store unavailable",
		Meaning: "The service cannot reach the object store that keeps the files. Nothing was added.",
		Remedy:  "Wait for Retry-After and send the request again; for a write, use the same Idempotency-Key.",
		Detail:  "the service cannot reach its object store; retry later", Headers: []string{"Retry-After"},
	},
	{
		Code: "stopping", Status: http.StatusServiceUnavailable, Title: "Process is stopping",
		Meaning: "The process that received the request for an event stream is shutting down.",
		Remedy:  "Connect again with the id of the last event; another process takes over, and no event is lost.",
		Detail:  "this process is shutting down; connect again", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_uploads", Status: http.StatusServiceUnavailable, Title: "Too many uploads in progress",
		Meaning: "The process has reached its limit of concurrent uploads, in total or for one user. Nothing was added.",
		Remedy:  "Wait for Retry-After and send the form again, fewer files at a time; or send the files directly to the object store (POST /uploads).",
		Detail:  "too many uploads in progress; retry later", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_streams", Status: http.StatusServiceUnavailable, Title: "Too many event streams",
		Meaning: "The process has reached its limit of event streams, in total or for one user.",
		Remedy:  "Wait for Retry-After and connect again; share one stream between the parts of a program.",
		Detail:  "too many event streams are open; retry later", Headers: []string{"Retry-After"},
	},
}

// KindOf returns the kind with a code, and whether there is one.
func KindOf(code string) (Kind, bool) {
	for _, k := range Kinds {
		if k.Code == code {
			return k, true
		}
	}
	return Kind{}, false
}
