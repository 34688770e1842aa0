package compiler

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// declared is the expression that an identifier stands for, where it is the
// only one that refers to it: then it can be edited there.
func (s *source) declared(x *ast.Ident) *ast.Expr {
	if x.Node == nil {
		return nil
	}
	var found *ast.Expr
	uses := 0
	ast.Walk(s.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if n.Node == x.Node {
				uses++
			}
		case *ast.LetClause:
			if ast.Node(n) == x.Node {
				found = &n.Expr
			}
		case *ast.Field:
			if ast.Node(n.Value) == x.Node {
				found = &n.Value
			}
		}
		return true
	}, nil)
	if uses != 1 {
		return nil
	}
	return found
}

// mentions says whether an expression may itself say something at a path, or
// below it. It follows names so many steps.
func (s *source) mentions(x ast.Node, path []string, steps int) bool {
	if len(path) == 0 || steps == 0 {
		return true
	}
	switch x := x.(type) {
	case *ast.StructLit:
		return slices.ContainsFunc(x.Elts, func(d ast.Decl) bool { return s.mentioned(d, path, steps) })
	case *ast.ParenExpr:
		return s.mentions(x.X, path, steps)
	case *ast.Alias:
		return s.mentions(x.Expr, path, steps)
	case *ast.BinaryExpr:
		return x.Op != token.AND || s.mentions(x.X, path, steps) || s.mentions(x.Y, path, steps)
	case *ast.SelectorExpr:
		if !piece(x, s.alias()) {
			return true
		}
		name := strings.TrimPrefix(print(x), s.alias()+".")
		return says(s.language.LookupPath(cue.ParsePath(name)), path)
	case *ast.Ident:
		switch n := x.Node.(type) {
		case *ast.LetClause:
			return s.mentions(n.Expr, path, steps-1)
		case *ast.Field:
			return s.mentions(n.Value, path, steps-1)
		case ast.Expr:
			return s.mentions(n, path, steps-1)
		}
	}
	return true
}

func (s *source) mentioned(d ast.Decl, path []string, steps int) bool {
	switch d := d.(type) {
	case *ast.Field:
		name, ok := static(d.Label)
		return !ok || name == path[0] && s.mentions(d.Value, path[1:], steps)
	case *ast.EmbedDecl:
		return s.mentions(d.Expr, path, steps)
	case *ast.Comprehension:
		return s.mentions(d.Value, path, steps)
	}
	return false
}
