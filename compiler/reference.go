package compiler

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"

	"runspec/compiler/diag"
	language "runspec/spec"
)

// reference tells a name that nothing bears, with the names that there are.
func (c *checker) reference(n node, err error) bool {
	found := false
	for _, e := range errors.Errors(err) {
		if code, _ := classify(e); code != diag.Reference {
			continue
		}
		d, ok := c.s.dangling(e)
		if !ok {
			d = c.s.diagnostic(c.s.pick(e), diag.Reference, "Unknown name", message(e)+".")
		}
		c.found = append(c.found, d)
		c.told = append(c.told, n.path())
		found = true
	}
	return found
}

// dangling explains a name that nothing bears: after a dot, such as
// spec.msd.Task04_Hipocampus, or alone.
func (s *source) dangling(e errors.Error) (diag.Diagnostic, bool) {
	at := s.pick(e)
	sel := s.selector(at)
	if name, ok := strings.CutPrefix(message(e), "reference "); ok {
		name = strings.Trim(strings.TrimSuffix(name, " not found"), `"`)
		return s.diagnostic(at, diag.Reference, "Unknown name",
			fmt.Sprintf("Nothing here is named %s. %s", name, remedy(name, s.names(), "Known names: "))), true
	}
	if sel == nil {
		return diag.Diagnostic{}, false
	}
	where := print(sel.X)
	path, ok := strings.CutPrefix(where+".", s.alias()+".")
	if !ok {
		return diag.Diagnostic{}, false
	}
	there := s.language
	if path = strings.TrimSuffix(path, "."); path != "" {
		there = there.LookupPath(cue.ParsePath(path))
	}
	code, summary := diag.Reference, "Unknown name"
	if path == "msd" {
		code, summary = diag.UnknownDataset, "Unknown data set"
	}
	given, _, _ := ast.LabelName(sel.Sel)
	return s.diagnostic(s.span(sel.Sel.Pos(), sel.Sel.End()), code, summary,
		fmt.Sprintf("%s has no %s. %s", where, given, remedy(given, labels(there), "It has "))), true
}

// selector finds the selector expression whose name, or else whose beginning,
// is at a place.
func (s *source) selector(at diag.Range) *ast.SelectorExpr {
	var found *ast.SelectorExpr
	if s.tree == nil {
		return nil
	}
	ast.Walk(s.tree, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			p := x.Sel.Pos()
			if s.show(p.Filename()) == at.File && p.Line() == at.Start.Line && (p.Column() == at.Start.Column || x.Pos().Column() == at.Start.Column && found == nil) {
				found = x
			}
		}
		return true
	}, nil)
	return found
}

// alias is the name under which the spec imports the language.
func (s *source) alias() string {
	for i := range s.tree.ImportSpecs() {
		if i.Name != nil && strings.Contains(i.Path.Value, language.ImportPath) {
			return i.Name.Name
		}
	}
	return "spec"
}

// names are what the spec's top level names: the language and its own fields.
func (s *source) names() []string {
	out := []string{s.alias()}
	for _, d := range s.tree.Decls {
		if f, ok := d.(*ast.Field); ok {
			if l, _, err := ast.LabelName(f.Label); err == nil {
				out = append(out, l)
			}
		}
	}
	return out
}

// print prints an expression.
func print(x ast.Expr) string {
	b, err := format.Node(x)
	if err != nil {
		return ""
	}
	return string(b)
}

// unresolved explains an import that fails, by the path on its line.
func (s *source) unresolved(d diag.Diagnostic) string {
	parts := strings.Split(d.Source, `"`)
	if len(parts) < 2 {
		return d.Detail
	}
	return fmt.Sprintf("The package %q is not to be found here, and nothing is fetched. %s", parts[1],
		remedy(parts[1], []string{language.ImportPath}, "The language is "))
}
