package contract

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vitrine/product/web/problem"
)

// frame is the file that the others are merged into.
const frame = "openapi/openapi.yaml"

// methods are the members of a path that are operations, in the order in which they are
// shown.
var methods = []string{"get", "post", "put", "patch", "delete"}

// assemble merges the files into the document and completes it from the tables of
// codes.
func assemble(files fs.FS) (*Document, error) {
	root, err := readYAML(files, frame)
	if err != nil {
		return nil, err
	}
	parts, err := fs.Glob(files, "openapi/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range parts {
		if name == frame {
			continue
		}
		part, err := readYAML(files, name)
		if err != nil {
			return nil, err
		}
		if err := merge(root, part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	routing := root.child("x-problem-groups").list("routing")
	if err := complete(root); err != nil {
		return nil, err
	}
	text, err := encode(root)
	if err != nil {
		return nil, err
	}
	return &Document{root: root, json: append(text, '\n'), routing: routing}, nil
}

func readYAML(files fs.FS, name string) (*object, error) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	o, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return o, nil
}

// merge adds a file's paths and components to the root. Duplicates are an error.
func merge(root, part *object) error {
	for _, name := range part.child("paths").names {
		if err := add(root.within("paths"), name, part.child("paths").get(name)); err != nil {
			return err
		}
	}
	components := part.child("components")
	for _, kind := range components.names {
		for _, name := range components.child(kind).names {
			if err := add(root.within("components").within(kind), name, components.child(kind).get(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func add(to *object, name string, value any) error {
	if _, there := to.values[name]; there {
		return fmt.Errorf("%s is also in another file", name)
	}
	to.set(name, value)
	return nil
}

// complete adds what the files leave to the tables: the lists of codes, the answers that
// are problems, and the headers that every answer has.
func complete(root *object) error {
	schemas := root.child("components").child("schemas")
	for _, name := range schemas.names {
		if table := schemas.child(name).text("x-table"); table != "" {
			schemas.child(name).drop("x-table")
			schemas.child(name).set("enum", codesOf(table))
		}
	}
	groups := root.child("x-problem-groups")
	common := root.list("x-common-headers")
	paths := root.child("paths")
	for _, path := range paths.names {
		for _, method := range methods {
			op, ok := paths.child(path).get(method).(*object)
			if !ok {
				continue
			}
			if err := answerProblems(op, groups, root.child("components").child("headers")); err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
			for _, status := range op.child("responses").names {
				headers := op.child("responses").child(status).within("headers")
				for _, name := range common {
					headers.set(fmt.Sprint(name), reference("headers", fmt.Sprint(name)))
				}
			}
		}
	}
	// The codes of answers to requests that no operation matches.
	unrouted := []any{}
	for _, code := range expand([]any{"routing", "always", "limited"}, groups) {
		unrouted = append(unrouted, code)
	}
	root.set("x-unrouted-problems", unrouted)
	root.drop("x-problem-groups")
	root.drop("x-common-headers")
	return nil
}

func reference(kind, name string) *object {
	o := newObject()
	o.set("$ref", "#/components/"+kind+"/"+name)
	return o
}

// answerProblems adds an answer to the operation for each status of its codes.
func answerProblems(op, groups, headers *object) error {
	codes := append(op.list("x-problems"), "always")
	if op.get("x-unlimited") != true {
		codes = append(codes, "limited")
	}
	op.drop("x-unlimited")
	if security, said := op.get("security").([]any); !said || len(security) > 0 {
		codes = append(codes, "authorized")
	}
	byStatus := map[int][]problem.Kind{}
	for _, code := range expand(codes, groups) {
		p, known := problem.KindOf(code)
		if !known {
			return fmt.Errorf("%s is not in any table", code)
		}
		byStatus[p.Status] = append(byStatus[p.Status], p)
	}
	op.drop("x-problems")
	responses := op.within("responses")
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		response := responses.within(strconv.Itoa(status))
		addHeaders(response, byStatus[status], headers)
		addProblems(response, status, byStatus[status])
	}
	return nil
}

// expand replaces the names of groups by their codes.
func expand(codes []any, groups *object) []string {
	var all []string
	for _, code := range codes {
		name := fmt.Sprint(code)
		if members := groups.list(name); members != nil {
			all = append(all, expand(members, groups)...)
		} else if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// addProblems adds problems to the answer with their status, which may have another
// meaning too.
func addProblems(response *object, status int, problems []problem.Kind) {
	codes, texts := []any{}, []string{}
	if text := response.text("description"); text != "" {
		texts = append(texts, text)
	}
	for _, p := range problems {
		codes = append(codes, p.Code)
		texts = append(texts, "`"+p.Code+"`: "+p.Title+".")
	}
	response.set("description", strings.Join(texts, " "))
	code, constant := newObject(), newObject()
	code.set("enum", codes)
	constant.set("const", status)
	narrowed, properties := newObject(), newObject()
	properties.set("status", constant)
	properties.set("code", code)
	narrowed.set("required", []any{"status", "code"})
	narrowed.set("properties", properties)
	schema := newObject()
	schema.set("allOf", []any{reference("schemas", "Problem"), narrowed})
	response.within("content").within("application/problem+json").set("schema", schema)
}

// addHeaders declares the headers of the problems. A header that all have is required,
// unless the status has another meaning too.
func addHeaders(response *object, problems []problem.Kind, headers *object) {
	alone := len(response.child("content").names) == 0
	counts, names := map[string]int{}, []string{}
	for _, p := range problems {
		for _, name := range p.Headers {
			if counts[name]++; counts[name] == 1 && name != "Connection" { // belongs to the connection
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		header := reference("headers", name)
		if alone && counts[name] == len(problems) {
			header = headers.child(name).clone() // a reference cannot be extended
			header.set("required", true)
		}
		response.within("headers").set(name, header)
	}
}
