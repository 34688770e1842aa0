package diag

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// Rule is what there is to know of a code.
type Rule struct {
	Code    Code
	Name    string // in Go, such as "UnknownField"
	Doc     string // one sentence or more
	Example string // in the sense of Code; may be empty
}

// codes is this package's own list of codes: the comments there are the only
// place that explains them.
//
//go:embed code.go
var codes string

// Rules reads the codes with their comments, in the order of code.go.
func Rules() []Rule {
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", codes, parser.ParseComments)
	if err != nil {
		panic(err) // it has been compiled
	}
	var out []Rule
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		v := g.Specs[0].(*ast.ValueSpec)
		value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			panic(err)
		}
		doc, example := explained(g.Doc.Text(), v.Names[0].Name)
		out = append(out, Rule{Code: Code(value), Name: v.Names[0].Name, Doc: doc, Example: example})
	}
	return out
}

// explained splits a comment into its sentences, without the name that they
// begin with, and the indented example.
func explained(comment, name string) (doc, example string) {
	var sentences []string
	for _, line := range strings.Split(comment, "\n") {
		if rest, ok := strings.CutPrefix(line, "\t"); ok {
			example += rest + "\n"
		} else if line != "" {
			sentences = append(sentences, line)
		}
	}
	doc = strings.TrimPrefix(strings.Join(sentences, " "), name+" is ")
	return strings.ToUpper(doc[:1]) + doc[1:], example
}
