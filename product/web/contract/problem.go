package contract

import "net/http"

// ProblemPath is where the pages of the problems are. A problem's type (RFC 9457,
// section 3.1.1) is this and its code: a reference that resolves, and that stays
// the same whatever host and prefix the service is reached under.
const ProblemPath = "/docs/problems/"

// Problem is one kind of answer that is no success.
type Problem struct {
	Code    string
	Status  int
	Title   string // the same for every problem with this code
	Meaning string // when it is answered
	Remedy  string // what the client, or its author, should do
	Detail  string // of an example
	// Headers are those that every such answer has.
	Headers []string
}

// statusClientClosed is what logs say of a request whose client went away.
const statusClientClosed = 499

// Problems lists every code that an answer can have, by status.
var Problems = []Problem{
	{
		Code: "empty_body", Status: http.StatusBadRequest, Title: "The body is empty",
		Meaning: "The route wants a JSON object, and the request has no body or only white space.",
		Remedy:  "Send the JSON object that the route describes. Check that the client sets the body before it sends.",
		Detail:  "the body is empty; a JSON object is expected",
	},
	{
		Code: "malformed_json", Status: http.StatusBadRequest, Title: "The body is not JSON",
		Meaning: "The body is not valid JSON (RFC 8259). The detail says at which byte it stops being so.",
		Remedy:  "Let a JSON encoder write the body. Unescaped quotes, comments and commas behind the last element are the usual causes.",
		Detail:  "the body is not valid JSON at byte 17",
	},
	{
		Code: "invalid_utf8", Status: http.StatusBadRequest, Title: "The body is not UTF-8",
		Meaning: "The body has bytes that are not UTF-8. Replacing them would store something that nobody sent.",
		Remedy:  "Encode the body in UTF-8; Latin-1 and Windows-1252 are the usual causes.",
		Detail:  "the body is not valid UTF-8",
	},
	{
		Code: "nesting_too_deep", Status: http.StatusBadRequest, Title: "The body nests too deep",
		Meaning: "Arrays and objects of the body nest deeper than 32.",
		Remedy:  "Send what the route describes: nothing of it nests deeper than three.",
		Detail:  "arrays and objects may nest 32 deep",
	},
	{
		Code: "trailing_data", Status: http.StatusBadRequest, Title: "Something follows the body's document",
		Meaning: "There is more in the body behind its JSON document.",
		Remedy:  "Send one document in each request.",
		Detail:  "the body must hold one JSON document and nothing after it",
	},
	{
		Code: "unreadable_body", Status: http.StatusBadRequest, Title: "The body breaks off",
		Meaning: "The body ended before its announced length, or its chunks are not framed correctly.",
		Remedy:  "Send the request again. Where it happens again, look at the client or a proxy between: Content-Length does not fit the body.",
		Detail:  "the body breaks off or is not framed correctly", Headers: []string{"Connection"},
	},
	{
		Code: "invalid_parameters", Status: http.StatusBadRequest, Title: "The query has invalid parameters",
		Meaning: "A parameter of the query is unknown, repeated, cannot be read, or has a value that it cannot have. Unknown ones are refused because a filter that was misspelt and ignored would show what was not asked for.",
		Remedy:  "Correct the parameters that `errors` names.",
		Detail:  "the query has invalid parameters; errors names each of them",
	},
	{
		Code: "invalid_entity_tag", Status: http.StatusBadRequest, Title: "If-Match cannot be read",
		Meaning: "The header If-Match is neither `*` nor a list of entity tags. It is not ignored, since the write would then go unprotected.",
		Remedy:  "Send the ETag of an earlier answer back as it was, quotes included.",
		Detail:  `the header If-Match must be * or a list of entity tags such as "7"`,
	},
	{
		Code: "invalid_version", Status: http.StatusBadRequest, Title: "Min-Version cannot be read",
		Meaning: "The header Min-Version is not one version as Product-Version gives it. It is not ignored, since the answer could then be older than wanted.",
		Remedy:  "Send the Product-Version of an earlier answer back as it was.",
		Detail:  "the header Min-Version must be one version as Product-Version gives it, such as 7",
	},
	{
		Code: "invalid_event_id", Status: http.StatusBadRequest, Title: "Last-Event-ID cannot be read",
		Meaning: "The header Last-Event-ID is not the id of an event.",
		Remedy:  "Send the id of the last event that came, as it was; or no header, to get only what happens from now on.",
		Detail:  "the header Last-Event-ID must be the id of an event",
	},
	{
		Code: "malformed_form", Status: http.StatusBadRequest, Title: "The form has no boundary",
		Meaning: "The Content-Type of a form does not say what stands between its parts.",
		Remedy:  "Let the HTTP library write the form and its Content-Type; do not set the header by hand.",
		Detail:  "Content-Type must name the boundary of the form's parts",
	},
	{
		Code: "not_supported", Status: http.StatusBadRequest, Title: "The header is not taken here",
		Meaning: "The request has an Idempotency-Key, and the answer to it holds a secret, which is not kept for another answer.",
		Remedy:  "Leave the header out. After a lost answer list the API keys and revoke the one that nobody got.",
		Detail:  "the header Idempotency-Key is not taken here: the answer holds a secret, which is not kept",
	},
	{
		Code: "invalid_idempotency_key", Status: http.StatusBadRequest, Title: "The idempotency key cannot be used",
		Meaning: "The header Idempotency-Key is given more than once, empty, longer than 255 characters, or has others than visible ASCII characters.",
		Remedy:  "Use a new UUID for each request, and the same one when it is repeated.",
		Detail:  "the header Idempotency-Key must be one value of 1 to 255 visible ASCII characters",
	},
	{
		Code: "unauthorized", Status: http.StatusUnauthorized, Title: "No credentials",
		Meaning: "The route wants an `Authorization: Bearer` header, and there is none, or more than one.",
		Remedy:  "Send the header with the token that the operator of the service gave you.",
		Detail:  "an Authorization header with a bearer token is needed", Headers: []string{"WWW-Authenticate"},
	},
	{
		Code: "invalid_token", Status: http.StatusUnauthorized, Title: "The credentials are not valid",
		Meaning: "The bearer token is none that this service knows.",
		Remedy:  "Check the token for missing or additional characters, and that it belongs to this installation.",
		Detail:  "the bearer token is not valid", Headers: []string{"WWW-Authenticate"},
	},
	{
		Code: "read_only_key", Status: http.StatusForbidden, Title: "The API key may only read",
		Meaning: "The request would change something or is about API keys, and its own API key is read-only.",
		Remedy:  "Use a key that is not read-only.",
		Detail:  "the API key may only read",
	},
	{
		Code: "admin_only", Status: http.StatusForbidden, Title: "Only the administrator may do this",
		Meaning: "The route is the administrator's, and the request came with a user's API key.",
		Remedy:  "Use the administrator's token.",
		Detail:  "only the administrator may do this",
	},
	{
		Code: "variant_not_found", Status: http.StatusNotFound, Title: "The picture has no such file",
		Meaning: "The picture is there, but not ready, or was made before this size existed.",
		Remedy:  "Wait until the picture is ready; `Prefer: wait=30` on the product helps. A size that it lacks is made by reprocessing the product.",
		Detail:  "the picture is not ready in this size",
	},
	{
		Code: "not_found", Status: http.StatusNotFound, Title: "There is nothing with this id",
		Meaning: "Nothing has the id in the path: it never existed, was deleted, is not a valid id, or belongs to somebody else.",
		Remedy:  "Take ids from answers of this API.",
		Detail:  "there is nothing with this id",
	},
	{
		Code: "no_such_route", Status: http.StatusNotFound, Title: "There is no route at this path",
		Meaning: "The API has no route at the path of the request, whatever its method.",
		Remedy:  "Compare the path with the list of routes. Paths have no slash at their end, and case matters.",
		Detail:  "there is no route at this path",
	},
	{
		Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Title: "The path has no such method",
		Meaning: "There is a route at the path, but not for the method of the request.",
		Remedy:  "Use one of the methods that the header Allow lists.",
		Detail:  "this path answers GET, HEAD, POST", Headers: []string{"Allow"},
	},
	{
		Code: "request_timeout", Status: http.StatusRequestTimeout, Title: "The body did not arrive in time",
		Meaning: "The whole request has to arrive within ten seconds, and did not. Nothing was done.",
		Remedy:  "Send it again; where that happens often, the network between is slow or loses packets.",
		Detail:  "the body did not arrive in time", Headers: []string{"Connection"},
	},
	{
		Code: "conflict", Status: http.StatusConflict, Title: "It exists already",
		Meaning: "A value that has to be unique is taken, such as the e-mail address of a user.",
		Remedy:  "`errors` names the field. Use the thing that exists, or another value.",
		Detail:  "there is a user with this e-mail address already",
	},
	{
		Code: "idempotency_in_progress", Status: http.StatusConflict, Title: "The first request is under way",
		Meaning: "A request with the same Idempotency-Key has not been answered yet.",
		Remedy:  "Wait for Retry-After and send the same request with the same key again: it gets the first one's answer.",
		Detail:  "the header Idempotency-Key belongs to a request that is still under way; its answer can be had soon", Headers: []string{"Retry-After"},
	},
	{
		Code: "image_not_failed", Status: http.StatusConflict, Title: "The picture has not failed",
		Meaning: "Only a failed picture can be begun anew; this one is ready or under way.",
		Remedy:  "Read the product to see how far the picture is. To have another picture, change product_images.",
		Detail:  "the image has not failed: there is nothing to retry",
	},
	{
		Code: "too_many_images", Status: http.StatusConflict, Title: "The product is full",
		Meaning: "The product has 20 pictures, which is as many as it can.",
		Remedy:  "Remove a picture first.",
		Detail:  "the product has as many images as it can",
	},
	{
		Code: "too_many_keys", Status: http.StatusConflict, Title: "The user has enough keys",
		Meaning: "The user has 10 valid API keys, which is as many as are allowed.",
		Remedy:  "Revoke one that is not needed any more; last_used_at says which.",
		Detail:  "the user has as many valid API keys as are allowed; revoke one first",
	},
	{
		Code: "precondition_failed", Status: http.StatusPreconditionFailed, Title: "It has changed in between",
		Meaning: "The product's version is not the one that If-Match names: somebody, or the work on its pictures, was faster. Nothing was changed.",
		Remedy:  "Read the product, apply the change to what it is now, and send it with the new ETag.",
		Detail:  "the product has changed: its version is not the one that If-Match names",
	},
	{
		Code: "version_not_reached", Status: http.StatusPreconditionFailed, Title: "There is no such version yet",
		Meaning: "The product has no version as late as the one that Min-Version names.",
		Remedy:  "Take versions from the Product-Version of answers about this product.",
		Detail:  "the header Min-Version names a version that the product has not reached",
	},
	{
		Code: "body_too_large", Status: http.StatusRequestEntityTooLarge, Title: "The body is too large",
		Meaning: "The body has more than 1 MiB, or a form more than its file may have and a little.",
		Remedy:  "Send less: the largest valid body has a tenth of that. Pictures are named by URL and not sent along.",
		Detail:  "the body is larger than 1048576 bytes", Headers: []string{"Connection"},
	},
	{
		Code: "file_too_large", Status: http.StatusRequestEntityTooLarge, Title: "The file is too large",
		Meaning: "The file in the form has more bytes than the service takes.",
		Remedy:  "Send a smaller picture; the detail says how large it may be.",
		Detail:  "the file is larger than 20971520 bytes", Headers: []string{"Connection"},
	},
	{
		Code: "unsupported_media_type", Status: http.StatusUnsupportedMediaType, Title: "The body's type is not supported",
		Meaning: "Content-Type is missing or none of the types that the route takes, or its charset is not UTF-8. A missing one is refused too: a page in a browser can send such requests to any address without asking it first.",
		Remedy:  "Set Content-Type to a type that the header Accept of the answer lists.",
		Detail:  "the body must be application/json in UTF-8, and Content-Type must say so", Headers: []string{"Accept"},
	},
	{
		Code: "unsupported_content_encoding", Status: http.StatusUnsupportedMediaType, Title: "The body is compressed",
		Meaning: "Content-Encoding says that the body is compressed, which is not taken.",
		Remedy:  "Send the body as it is.",
		Detail:  "the body must not be compressed", Headers: []string{"Accept-Encoding"},
	},
	{
		Code: "validation_failed", Status: http.StatusUnprocessableEntity, Title: "The body has invalid fields",
		Meaning: "The body is JSON, but fields of it are missing, unknown, of the wrong type, or have values that they cannot have. Nothing was changed.",
		Remedy:  "Correct the fields that `errors` names; it has all of them at once.",
		Detail:  "the body has invalid fields; errors names each of them",
	},
	{
		Code: "idempotency_key_reused", Status: http.StatusUnprocessableEntity, Title: "The key belongs to another request",
		Meaning: "Another request was sent with the same Idempotency-Key in the last 24 hours: its route or its body, byte for byte, was different.",
		Remedy:  "Use a new key for each request. When repeating one, send the same bytes.",
		Detail:  "the header Idempotency-Key was used for another request already; each request needs a key of its own",
	},
	{
		Code: "rate_limited", Status: http.StatusTooManyRequests, Title: "Too many requests",
		Meaning: "The API key or the client's address has had as many requests, or as many answers of 401, as are allowed in a minute. Nothing was done.",
		Remedy:  "Wait for Retry-After. The header RateLimit of every answer says how many requests are left: a client that looks at it need not come here.",
		Detail:  "too many requests with this API key: 1200 in 60 seconds are allowed; try again in 1 s", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_headers", Status: http.StatusRequestHeaderFieldsTooLarge, Title: "Too many header lines",
		Meaning: "The request has more than 100 header lines.",
		Remedy:  "Send less; fewer than twenty are usual. A header of more than 32 KiB is a 431 too, and then without a body.",
		Detail:  "a request may have 100 header lines",
	},
	{
		Code: "client_closed_request", Status: statusClientClosed, Title: "The client closed the connection",
		Meaning: "The client went away before it was answered. Nobody reads this answer: it is in the logs only.",
		Remedy:  "Where that is not meant, let the client wait longer. A write may have happened: repeat it with its Idempotency-Key.",
		Detail:  "the client closed the connection",
	},
	{
		Code: "internal", Status: http.StatusInternalServerError, Title: "A defect of the service",
		Meaning: "Something went wrong that should not be able to. The log has the cause under the request_id.",
		Remedy:  "Tell the operator of the service the request_id.",
		Detail:  "an error inside the service; its log has the cause under this request_id",
	},
	{
		Code: "timeout", Status: http.StatusServiceUnavailable, Title: "The request took too long",
		Meaning: "The request was not done at its deadline of ten seconds. Nothing is known of its outcome.",
		Remedy:  "Wait for Retry-After and send it again, a write with its Idempotency-Key.",
		Detail:  "the request took too long; nothing is known of its outcome", Headers: []string{"Retry-After"},
	},
	{
		Code: "unavailable", Status: http.StatusServiceUnavailable, Title: "The database is out of reach",
		Meaning: "The service cannot reach its database right now. Of a write it is not known whether it happened.",
		Remedy:  "Wait for Retry-After and send it again, a write with its Idempotency-Key.",
		Detail:  "the service cannot reach its database; try again soon", Headers: []string{"Retry-After"},
	},
	{
		Code: "overloaded", Status: http.StatusServiceUnavailable, Title: "The service has too much to do",
		Meaning: "There are more requests at once, bytes of bodies or calls that wait for the database than the process takes on. Nothing was done.",
		Remedy:  "Wait for Retry-After and send the request again, with growing pauses.",
		Detail:  "the service has too much to do; nothing was done, try again soon", Headers: []string{"Retry-After"},
	},
	{
		Code: "object_store_unavailable", Status: http.StatusServiceUnavailable, Title: "The object store is out of reach",
		Meaning: "The service cannot reach the store that files are kept in. Nothing was added.",
		Remedy:  "Wait for Retry-After and send it again, a write with its Idempotency-Key.",
		Detail:  "the service cannot reach its object store; try again soon", Headers: []string{"Retry-After"},
	},
	{
		Code: "stopping", Status: http.StatusServiceUnavailable, Title: "The process is about to end",
		Meaning: "The process that was asked for a stream of events is about to end.",
		Remedy:  "Connect again: another process answers. Send the last event id, and nothing is missed.",
		Detail:  "this process is about to end; connect again", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_uploads", Status: http.StatusServiceUnavailable, Title: "There are too many uploads",
		Meaning: "The process takes as many forms with a file as it can at once, or as many as it takes from one user. Nothing was added.",
		Remedy:  "Wait for Retry-After and send the form again, a few files at a time; or send the files directly to the object store (POST /uploads).",
		Detail:  "there are as many uploads as this process takes, or takes from you; try again later", Headers: []string{"Retry-After"},
	},
	{
		Code: "too_many_streams", Status: http.StatusServiceUnavailable, Title: "There are too many streams",
		Meaning: "The process serves as many streams of events as it can, or as many as it serves one user.",
		Remedy:  "Wait for Retry-After and connect again; let one stream serve several parts of a program.",
		Detail:  "there are as many event streams as this process serves, or serves you; try again later", Headers: []string{"Retry-After"},
	},
}

// ProblemOf gives the problem with this code.
func ProblemOf(code string) (Problem, bool) {
	for _, p := range Problems {
		if p.Code == code {
			return p, true
		}
	}
	return Problem{}, false
}
