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
)

//go:embed docs.html
var pageSource string

//go:embed docs.css
var style string

// The pages load nothing: the style stands in them, and the policy names its
// digest, so that whatever else got in there would neither run nor show.
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

// Page is the page of the whole API in HTML. It refers to the others relative to
// itself, so that it works under any prefix.
func (d *Document) Page() []byte {
	return render("overview", d.view())
}

// problemPage is what the page of a problem shows.
type problemPage struct {
	Problem
	Example    string
	Operations []operation // that answer it
	Everywhere bool        // all do
	Routing    bool        // it is the answer where there is no operation
}

// ProblemPage is the page of a code in HTML, nil where there is no such code.
func (d *Document) ProblemPage(code string) []byte {
	p, known := ProblemOf(code)
	if !known {
		return nil
	}
	page := problemPage{Problem: p, Example: exampleProblem(p)}
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
	page.Everywhere = len(page.Operations) >= all-2 // the probes are spared some
	page.Routing = slices.Contains(d.routing, any(code))
	return render("problem", page)
}

// exampleProblem is a whole answer with the problem.
func exampleProblem(p Problem) string {
	text, err := json.MarshalIndent(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
		Message   string `json:"message"`
	}{ProblemPath + p.Code, p.Title, p.Status, p.Detail, p.Code, "01a20381-bac7-7b61-91dd-a910a3246dbb", p.Detail}, "", "  ")
	if err != nil { // cannot be: it holds strings and a number
		panic(err)
	}
	return string(text)
}

func render(name string, data any) []byte {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil { // the template and its data are ours: a test renders each page
		panic(err)
	}
	return b.Bytes()
}

// prose makes paragraphs of a text: an empty line ends one, **strong** and `code`
// mean what they look like.
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
