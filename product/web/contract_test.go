package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/imaging"
	"vitrine/product/web"
	"vitrine/product/web/contract"
	"vitrine/product/web/problem"
)

func TestRoutesAndDocumentAreTheSame(t *testing.T) {
	t.Parallel()
	var inDocument []string
	for _, op := range documented.Operations {
		line := op.Method + " " + op.Path
		if op.Open {
			line += " open"
		}
		inDocument = append(inDocument, line)
	}
	var inRouter []string
	for _, rt := range web.Routes() {
		line := rt.Method + " " + rt.Path
		if rt.Open {
			line += " open"
		}
		inRouter = append(inRouter, line)
	}
	slices.Sort(inDocument)
	slices.Sort(inRouter)
	if diff := cmp.Diff(inDocument, inRouter); diff != "" {
		t.Errorf("routes (-document +router):\n%s", diff)
	}
}

// The document lists the problems that callers without access get.
func TestWhomRoutesAnswerIsDocumented(t *testing.T) {
	t.Parallel()
	routes := map[string]web.Route{}
	for _, rt := range web.Routes() {
		routes[rt.Method+" "+rt.Path] = rt
	}
	for _, op := range documented.Operations {
		rt := routes[op.Method+" "+op.Path]
		var want []string
		switch {
		case rt.Admin:
			want = []string{"admin_only"}
		case !rt.Open && (rt.FullOnly || op.Method != http.MethodGet):
			want = []string{"read_only_key"}
		}
		if diff := cmp.Diff(want, op.Codes(http.StatusForbidden)); diff != "" {
			t.Errorf("%s %s: codes of 403 (-router +document):\n%s", op.Method, op.Path, diff)
		}
	}
}

func TestPathParametersAreDocumented(t *testing.T) {
	t.Parallel()
	for _, op := range documented.Operations {
		var inPath, inList []string
		for segment := range strings.SplitSeq(op.Path, "/") {
			if name, found := strings.CutPrefix(segment, "{"); found {
				inPath = append(inPath, strings.TrimSuffix(name, "}"))
			}
		}
		for _, p := range op.Parameters {
			if p.In == "path" && p.Required {
				inList = append(inList, p.Name)
			}
		}
		if diff := cmp.Diff(inPath, inList); diff != "" {
			t.Errorf("%s %s: parameters (-path +document):\n%s", op.Method, op.Path, diff)
		}
	}
}

// The functions that take the code of a problem or of one of its errors, with the position
// of that argument.
var (
	problemCalls = map[string]int{"problem.New": 0, "problem.Retry": 0, "problem.OfHeader": 1, "admission.NoPermit": 0, "New": 0, "Retry": 0}
	faultCalls   = map[string]int{"Fault": 1, "Add": 1, "add": 1, "Invalid": 1, "invalid": 1}
)

// The tables list exactly the codes that the sources use.
func TestEveryCodeIsInTheTables(t *testing.T) {
	t.Parallel()
	problems, faults := map[string]bool{}, map[string]bool{}
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				collect(n, problemCalls, problems)
				collect(n, faultCalls, faults)
			case *ast.CompositeLit:
				collectLiteral(n, faults)
			}
			return true
		})
	}
	tabled := map[string]bool{}
	for _, p := range problem.Kinds {
		tabled[p.Code] = true
		if p.Title == "" || p.Meaning == "" || p.Remedy == "" || p.Detail == "" || p.Status < 400 {
			t.Errorf("problem %s is not described in full", p.Code)
		}
	}
	if diff := cmp.Diff(problems, tabled); diff != "" {
		t.Errorf("problems (-sources +table):\n%s", diff)
	}
	tabled = map[string]bool{}
	for _, c := range contract.Faults {
		tabled[c.Code] = true
	}
	if diff := cmp.Diff(faults, tabled); diff != "" {
		t.Errorf("faults (-sources +table):\n%s", diff)
	}
}

// sources are the files that use codes.
func sources(t *testing.T) []*ast.File {
	t.Helper()
	var files []*ast.File
	for _, pattern := range []string{"*.go", "admission/*.go", "body/*.go", "header/*.go", "query/*.go", "access/*.go", "problem/problem.go", "problem/faults.go", "../*.go", "../*/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	return files
}

// collect adds the code in a call. It identifies functions of packages other than problem and
// admission by name only.
func collect(call *ast.CallExpr, functions map[string]int, codes map[string]bool) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if qualifier, ok := f.X.(*ast.Ident); ok {
			if _, ours := functions[qualifier.Name+"."+name]; ours {
				name = qualifier.Name + "." + name
			} else if _, unqualified := faultCalls[name]; !unqualified {
				return
			}
		}
	}
	if name == "Add" && len(call.Args) < 3 {
		return // an error of a header, not of an input
	}
	if at, ours := functions[name]; ours && at < len(call.Args) {
		note(call.Args[at], codes)
	}
}

// collectLiteral adds the code in a composite literal.
func collectLiteral(literal *ast.CompositeLit, codes map[string]bool) {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Code" {
			note(pair.Value, codes)
		}
	}
}

// note adds a code. An argument that is not a literal is a code that another expression
// contains, or that of an image.
func note(value ast.Expr, codes map[string]bool) {
	if call, ok := value.(*ast.CallExpr); ok && len(call.Args) == 1 {
		if constant, ok := call.Args[0].(*ast.SelectorExpr); ok && constant.Sel.Name == "CodeUnsupportedFormat" {
			codes[string(imaging.CodeUnsupportedFormat)] = true
		}
	}
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	if code, err := strconv.Unquote(literal.Value); err == nil {
		codes[code] = true
	}
}
