package contract

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"slices"
	"strings"

	"vitrine/product/web/problem"
)

//go:embed docs.html
var pageSource string

//go:embed docs.css
var style string

// The pages load nothing: they contain their style, and the policy allows its digest
// only, so that injected content would neither run nor show.
var (
	styleDigest = sha256.Sum256([]byte(style))
	// PagePolicy is the Content-Security-Policy of the pages.
	PagePolicy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(styleDigest[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"prose": prose,
	"style": func() template.CSS { return template.CSS(style) }, //nolint:gosec // the embedded file
}).Parse(pageSource))

// Page returns the page of the whole API in HTML. Its links are relative, so that it
// works under any prefix.
func (d *Document) Page() []byte {
	return render("overview", d.view())
}

// problemPage is the content of the page of a problem.
type problemPage struct {
	problem.Kind
	Example    string
	Operations []operation // that can answer it
	Everywhere bool        // all operations can
	Routing    bool        // requests that no operation matches can get it
}

// ProblemPage returns the page of a code in HTML, nil if the code is unknown.
func (d *Document) ProblemPage(code string) []byte {
	p, known := problem.KindOf(code)
	if !known {
		return nil
	}
	page := problemPage{Kind: p, Example: exampleProblem(p)}
	all := 0
	d.eachOperation(func(path, method string, op *object) {
		v := d.operation(path, method, op)
		all++
		for _, link := range v.Problems {
			for _, c := range link.Codes {
				if c == code {
					page.Operations = append(page.Operations, v)
				}
			}
		}
	})
	page.Everywhere = len(page.Operations) >= all-2 // the probes have fewer
	page.Routing = slices.Contains(d.routing, any(code))
	return render("problem", page)
}

// exampleProblem returns an answer with the problem.
func exampleProblem(p problem.Kind) string {
	text, err := json.MarshalIndent(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
		Message   string `json:"message"`
	}{problem.Path + p.Code, p.Title, p.Status, p.Detail, p.Code, "01a20381-bac7-7b61-91dd-a910a3246dbb", p.Detail}, "", "  ")
	if err != nil { // impossible: it holds strings and a number
		panic(err)
	}
	return string(text)
}

func render(name string, data any) []byte {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil { // a test renders each page
		panic(err)
	}
	return b.Bytes()
}

// prose renders a text with paragraphs, **strong** and `code` as HTML.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph != "" {
			b.WriteString("<p>" + inline(paragraph) + "</p>\n")
		}
	}
	return template.HTML(b.String()) //nolint:gosec // inline has escaped it
}

func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(template.HTMLEscapeString(text), "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + part + "</code>")
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if j%2 == 1 {
				piece = "<strong>" + piece + "</strong>"
			}
			b.WriteString(piece)
		}
	}
	return b.String()
}
