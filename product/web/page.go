package web

import (
	"fmt"
	"net/http"
	"net/url"

	"vitrine/product"
)

// sendPage answers with a page of a list: the envelope and, beside data, where
// the next page begins and, where it was asked for, how many match on all pages.
// next_cursor is null on the last page, and where a list has no pages.
func sendPage(w http.ResponseWriter, r *http.Request, page product.Page, message string) {
	size := len(page.Next) + 192
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
	body = fmt.Appendf(body, `","has_more":%t,"next_cursor":`, page.HasMore)
	if page.Next == "" {
		body = append(body, "null"...)
	} else {
		body = fmt.Appendf(body, `"%s"`, page.Next) // of the characters of base64url
	}
	if page.Total != nil {
		relation := "at_least"
		if page.Total.Exact {
			relation = "exact"
		}
		body = fmt.Appendf(body, `,"total":%d,"total_relation":"%s"`, page.Total.Count, relation)
	}
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
