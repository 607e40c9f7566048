package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"vitrine/product/web/problem"
)

// overview is the content of the page of the whole API.
type overview struct {
	Title, Summary string
	Intro          string
	Tags           []tag
	Schemas        []schemaView
	Problems       []problem.Kind
	Faults         []Code
	Pictures       []Code
}

// tag is a group of operations.
type tag struct {
	Name, Anchor, Description string
	Operations                []operation
}

type operation struct {
	Anchor, Method, Path, Summary, Description string
	Open                                       bool
	Parameters                                 []field
	Bodies                                     []content
	Answers                                    []answer
	Problems                                   []problemLink
	Curl                                       string
}

// content is a body of a request or an answer. Schema is the name of its schema, if it
// has one.
type content struct {
	Type, Schema, Example string
	Fields                []field
}

type answer struct {
	Status      string
	Description string
	Headers     []field
	Contents    []content
}

type problemLink struct {
	Status int
	Codes  []string
}

// field is a parameter, a header or a member of a body.
type field struct {
	Name, In, Type, Link, Description, Bounds string
	Required                                  bool
}

type schemaView struct {
	Name, Type, Description, Bounds, Example string
	Fields                                   []field
	Codes                                    []string
}

// view returns the content of the page.
func (d *Document) view() overview {
	info := d.root.child("info")
	v := overview{
		Title: info.text("title"), Summary: info.text("summary"), Intro: info.text("description"),
		Problems: problem.Kinds, Faults: Faults, Pictures: Pictures,
	}
	for _, t := range d.root.list("tags") {
		o, _ := t.(*object)
		v.Tags = append(v.Tags, tag{Name: o.text("name"), Anchor: anchor(o.text("name")), Description: o.text("description")})
	}
	d.eachOperation(func(path, method string, op *object) {
		for i := range v.Tags {
			if names := op.list("tags"); len(names) > 0 && names[0] == v.Tags[i].Name {
				v.Tags[i].Operations = append(v.Tags[i].Operations, d.operation(path, method, op))
			}
		}
	})
	schemas := d.root.child("components").child("schemas")
	for _, name := range schemas.names {
		v.Schemas = append(v.Schemas, d.schemaView(name, schemas.child(name)))
	}
	return v
}

// eachOperation calls f for each operation, in the order of the document.
func (d *Document) eachOperation(f func(path, method string, op *object)) {
	paths := d.root.child("paths")
	for _, path := range paths.names {
		for _, method := range methods {
			if op, ok := paths.child(path).get(method).(*object); ok {
				f(path, method, op)
			}
		}
	}
}

func (d *Document) operation(path, method string, op *object) operation {
	security, said := op.get("security").([]any)
	v := operation{
		Anchor: op.text("operationId"), Method: strings.ToUpper(method), Path: path,
		Summary: op.text("summary"), Description: op.text("description"), Open: said && len(security) == 0,
	}
	for _, list := range [][]any{d.root.child("paths").child(path).list("parameters"), op.list("parameters")} {
		for _, raw := range list {
			p := d.resolve(raw)
			f := d.field(p.text("name"), p.get("schema"), p.get("required") == true)
			f.In, f.Description = p.text("in"), p.text("description")
			v.Parameters = append(v.Parameters, f)
		}
	}
	bodies := op.child("requestBody").child("content")
	for _, contentType := range bodies.names {
		v.Bodies = append(v.Bodies, d.content(contentType, bodies.child(contentType)))
	}
	responses := op.child("responses")
	for _, status := range responses.names {
		d.answer(&v, status, responses.child(status))
	}
	v.Curl = d.curl(v)
	return v
}

// answer adds an answer to the operation. Problems are added to the list of codes.
func (d *Document) answer(v *operation, status string, response *object) {
	a := answer{Status: status, Description: response.text("description")}
	bodies := response.child("content")
	for _, contentType := range bodies.names {
		if contentType != "application/problem+json" {
			a.Contents = append(a.Contents, d.content(contentType, bodies.child(contentType)))
			continue
		}
		link := problemLink{}
		narrowed, _ := bodies.child(contentType).child("schema").list("allOf")[1].(*object)
		link.Status, _ = narrowed.child("properties").child("status").get("const").(int)
		for _, code := range narrowed.child("properties").child("code").list("enum") {
			link.Codes = append(link.Codes, fmt.Sprint(code))
		}
		v.Problems = append(v.Problems, link)
		// The pages of the codes describe them.
		a.Description, _, _ = strings.Cut(a.Description, "`"+link.Codes[0]+"`:")
	}
	if len(a.Contents) == 0 && bodies.get("application/problem+json") != nil {
		return
	}
	headers := response.child("headers")
	for _, name := range headers.names {
		h := d.resolve(headers.get(name))
		f := d.field(name, h.get("schema"), h.get("required") == true)
		f.Description = h.text("description")
		a.Headers = append(a.Headers, f)
	}
	v.Answers = append(v.Answers, a)
}

func (d *Document) content(contentType string, body *object) content {
	c := content{Type: contentType}
	raw, _ := body.get("schema").(*object)
	if raw == nil {
		return c
	}
	c.Schema = schemaName(raw)
	schema := d.resolve(raw)
	if c.Schema == "" {
		c.Fields = d.fields(schema)
	}
	if strings.HasPrefix(contentType, "application/") {
		c.Example = d.exampleText(schema)
	}
	return c
}

// exampleText returns an example of the schema as indented JSON.
func (d *Document) exampleText(schema *object) string {
	v, ok := d.example(schema)
	if !ok {
		return ""
	}
	text, err := encode(v)
	if err != nil { // impossible: the document is JSON
		panic(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		panic(err)
	}
	return b.String()
}

// curl returns a call of the operation with curl.
func (d *Document) curl(op operation) string {
	var b strings.Builder
	b.WriteString("curl -s")
	if op.Method != http.MethodGet {
		b.WriteString(" -X " + op.Method)
	}
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+p.Name)
		}
	}
	b.WriteString(" localhost:8080" + path)
	if len(op.Bodies) > 0 {
		body := op.Bodies[0]
		b.WriteString(" -H 'Content-Type: " + body.Type + "' -d '" + body.Example + "'")
	}
	return b.String()
}

// anchor returns a name as a URL fragment.
func anchor(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, " ", "-"))
}
