package web

import (
	"encoding/json"
	"net/http"

	"vitrine/product"
	"vitrine/product/web/contract"
)

// problem is an answer that is no success, in the form of RFC 9457. It is an
// error, so that a handler can return it; cause goes to the log only.
type problem struct {
	Type      string  `json:"type"` // a reference to the page about Code
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	Message   string  `json:"message"` // Detail again, for clients of the original system
	Errors    []fault `json:"errors,omitempty"`

	header http.Header
	cause  error
	shed   string // what there is too much of, where that is why
}

// fault is one thing that is wrong with a request, and where it stands: a place
// in the body (RFC 6901; "" is the whole body), a query parameter or a header.
type fault struct {
	Pointer   *string `json:"pointer,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Header    string  `json:"header,omitempty"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap gives the cause.
func (p *problem) Unwrap() error { return p.cause }

// with sets a header of the answer.
func (p *problem) with(key, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(key, value)
	return p
}

func newProblem(status int, code, detail string) *problem {
	return &problem{
		Type: contract.ProblemPath + code, Title: title(status, code),
		Status: status, Detail: detail, Code: code, Message: detail,
	}
}

func badRequest(code, detail string) *problem {
	return newProblem(http.StatusBadRequest, code, detail)
}

// badHeader refuses a request for one of its headers.
func badHeader(name, code, detail string) *problem {
	return headerProblem(http.StatusBadRequest, name, code, detail)
}

// headerProblem is an answer that one of the request's headers is the cause of.
func headerProblem(status int, name, code, detail string) *problem {
	p := newProblem(status, code, "the header "+name+" "+detail)
	p.Errors = []fault{{Header: name, Code: code, Detail: detail}}
	return p
}

// badFields refuses a well-formed body for what it says (RFC 9110, section
// 15.5.21); a body that cannot be read at all is a 400.
func badFields(fields []product.FieldError) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "validation_failed", "the body has invalid fields; errors names each of them")
	for _, f := range fields {
		pointer := ""
		if f.Field != "" {
			pointer = "/" + f.Field
		}
		p.Errors = append(p.Errors, fault{Pointer: &pointer, Code: f.Code, Detail: f.Detail})
	}
	return p
}

// taken refuses a body for a value that has to be unique.
func taken(field, detail string) *problem {
	p := newProblem(http.StatusConflict, "conflict", detail)
	pointer := "/" + field
	p.Errors = []fault{{Pointer: &pointer, Code: "taken", Detail: detail}}
	return p
}

// badParameters refuses a query.
func badParameters(fields []product.FieldError) *problem {
	p := badRequest("invalid_parameters", "the query has invalid parameters; errors names each of them")
	for _, f := range fields {
		p.Errors = append(p.Errors, fault{Parameter: f.Field, Code: f.Code, Detail: f.Detail})
	}
	return p
}

// title is the same for every problem with a code (RFC 9457, section 3.1.3).
func title(status int, code string) string {
	if p, known := contract.ProblemOf(code); known {
		return p.Title
	}
	return http.StatusText(status) // a test finds codes that the table does not have
}

// fail answers with the problem that err amounts to and tells the access log.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(r.Context(), err)
	p.RequestID = product.RequestID(r.Context())
	noteFailure(r.Context(), p)
	if p.shed != "" {
		a.shed.count.WithLabelValues(p.shed).Inc()
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot be: the struct holds strings and numbers
		panic(err)
	}
	h := w.Header()
	for key, values := range p.header {
		h[key] = values
	}
	h.Set("Cache-Control", "no-store")
	write(w, r, p.Status, "application/problem+json", append(body, '\n'))
}
