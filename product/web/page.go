package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"vitrine/product"
)

// sendPage answers with a page of a list: the envelope and, beside data, where
// the next page begins. next_cursor is null on the last page, and where a list has
// no pages.
func sendPage(w http.ResponseWriter, r *http.Request, page product.Page, message string) {
	size := len(page.Next) + 128
	for _, item := range page.Items {
		size += len(item) + 1
	}
	body := append(make([]byte, 0, size), `{"data":[`...)
	for i, item := range page.Items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	body = append(body, `],"message":"`...)
	body = append(body, message...)
	if page.Next == "" {
		body = fmt.Appendf(body, "\",\"has_more\":%t,\"next_cursor\":null}\n", page.HasMore)
		write(w, r, http.StatusOK, typeJSON, body)
		return
	}
	cursor, err := json.Marshal(page.Next)
	if err != nil { // cannot be: it is a string
		panic(err)
	}
	body = append(body, `","has_more":true,"next_cursor":`...)
	body = append(body, cursor...)
	body = append(body, "}\n"...)
	write(w, r, http.StatusOK, typeJSON, body)
}

// nextPage is the reference to the page behind cursor with the parameters of r,
// whose names are known.
func nextPage(r *http.Request, known []string, cursor string) string {
	query := url.Values{}
	for name, value := range parseQuery(r.URL.RawQuery, known).values {
		query.Set(name, value)
	}
	query.Set("cursor", cursor)
	return (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
}
