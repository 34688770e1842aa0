package compiler

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
)

// uses are the names that the spec's expressions use.
func (s *source) uses() map[string]bool {
	labels, out := map[*ast.Ident]bool{}, map[string]bool{}
	ast.Walk(s.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if l, ok := n.Label.(*ast.Ident); ok {
				labels[l] = true
			}
		case *ast.LetClause:
			labels[n.Ident] = true
		case *ast.SelectorExpr:
			if l, ok := n.Sel.(*ast.Ident); ok {
				labels[l] = true
			}
		case *ast.ImportDecl:
			return false
		case *ast.Ident:
			if !labels[n] {
				out[n.Name] = true
			}
		}
		return true
	}, nil)
	return out
}

// unresolve forgets what names refer to: the loader finds it out anew.
func (s *source) unresolve() {
	ast.Walk(s.tree, func(n ast.Node) bool {
		if i, ok := n.(*ast.Ident); ok {
			i.Node, i.Scope = nil, nil
		}
		return true
	}, nil)
}

// tidy removes the let clauses and imports that were used before something
// was struck out, and are no more: CUE objects to them.
func (s *source) tidy(before map[string]bool) {
	for {
		now := s.uses()
		idle := func(name string) bool { return before[name] && !now[name] }
		removed := false
		sweep := func(ds []ast.Decl) []ast.Decl {
			return slices.DeleteFunc(ds, func(d ast.Decl) bool {
				if l, ok := d.(*ast.LetClause); ok && idle(l.Ident.Name) {
					removed = true
					return true
				}
				return false
			})
		}
		s.tree.Decls = sweep(s.tree.Decls)
		ast.Walk(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructLit:
				n.Elts = sweep(n.Elts)
			case *ast.ImportDecl:
				n.Specs = slices.DeleteFunc(n.Specs, func(i *ast.ImportSpec) bool { return idle(importName(i)) })
			}
			return true
		}, nil)
		if !removed {
			break
		}
	}
	s.tree.Decls = slices.DeleteFunc(s.tree.Decls, func(d ast.Decl) bool {
		i, ok := d.(*ast.ImportDecl)
		return ok && len(i.Specs) == 0
	})
}

// importName is the name under which a file uses an import.
func importName(i *ast.ImportSpec) string {
	if i.Name != nil {
		return i.Name.Name
	}
	p, _ := strconv.Unquote(i.Path.Value)
	p, name, ok := strings.Cut(p, ":")
	if ok {
		return name
	}
	p, _, _ = strings.Cut(p, "@")
	return path.Base(p)
}
