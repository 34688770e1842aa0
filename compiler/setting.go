package compiler

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"runspec/compiler/diag"
)

// setFile stands for the arguments of --set in diagnostics; its lines are the
// arguments.
const setFile = "<--set>"

// setting is one argument "path=value" of --set.
type setting struct {
	line  int // of setFile
	path  []segment
	value ast.Expr
}

// deepest is more names than any path of the language has.
const deepest = 16

// segment is a field's name, or an element's number, in a path.
type segment struct {
	name     string
	from, to int  // its place in the argument, in bytes
	element  bool // it is the number of an element of a list
}

// places of a setting's segments.
func (t setting) at(i int) diag.Range {
	return place(setFile, t.line, t.path[i].from, t.path[i].to)
}

// names are the path's segments without their places.
func (t setting) names() []string {
	out := make([]string, len(t.path))
	for i, s := range t.path {
		out[i] = s.name
	}
	return out
}

// parseSetting reads an argument. Its value is CUE, where it reads as a number,
// true, false, a text in quotes, a list, a struct, or a piece of the language,
// whose name in the spec is alias; any other is a text that needs no quotes.
func parseSetting(argument string, line int, alias string) (setting, error) {
	path, value, ok := cutSetting(argument)
	if !ok {
		return setting{}, fmt.Errorf("%q is not of the form path=value, such as fidelity.max=100", argument)
	}
	t := setting{line: line}
	for rest, from := path, 0; ; {
		name, more, cut := cutName(rest)
		to := from + len(rest) - len(more)
		if cut {
			to--
		}
		s := segment{name: strings.Trim(name, `"`), from: from, to: to}
		if s.name == "" {
			return setting{}, fmt.Errorf("the path %q has an empty name", path)
		}
		if strings.HasPrefix(s.name, "_") || strings.HasPrefix(s.name, "#") {
			return setting{}, fmt.Errorf("%s is no field of an experiment; what a spec keeps to itself can be set only where it has a tag, with -t", s.name)
		}
		t.path = append(t.path, s)
		if !cut {
			break
		}
		rest, from = more, from+len(rest)-len(more)
	}
	if len(t.path) > deepest {
		return setting{}, fmt.Errorf("no field of an experiment lies %d names deep", len(t.path))
	}
	if t.value, ok = parseValue(value, line, len(argument)-len(value), alias); !ok {
		return setting{}, fmt.Errorf("the value %s does not read as CUE, and no text begins so; a text may stand in quotes", value)
	}
	return t, nil
}

// cutSetting cuts an argument at its first equals sign outside quotes.
func cutSetting(argument string) (path, value string, ok bool) {
	quoted := false
	for i, r := range argument {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '=' && !quoted:
			return argument[:i], argument[i+1:], i > 0
		}
	}
	return "", "", false
}

// cutName cuts a path at its first dot outside quotes.
func cutName(path string) (name, rest string, cut bool) {
	quoted := false
	for i, r := range path {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

// parseValue reads a value that stands at a column, from 0, of setFile. It is
// false for an unfinished list, struct or quotation.
func parseValue(text string, line, column int, alias string) (ast.Expr, bool) {
	padding := strings.Repeat("\n", line-1) + strings.Repeat(" ", column)
	x, err := parser.ParseExpr(setFile, padding+text)
	if err == nil {
		if y, ok := plain(x, alias); ok {
			return y, true
		}
	}
	return quoted(text, position(line, column, len(text))), !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, `"`)
}

// position is CUE's position at a column, from 0, of setFile, with room for so
// many bytes behind it.
func position(line, column, room int) token.Pos {
	text := strings.Repeat("\n", line-1) + strings.Repeat(" ", column+room)
	f := token.NewFile(setFile, -1, len(text)+1)
	f.SetLinesForContent([]byte(text))
	return f.Pos(line-1+column, token.NoRelPos)
}

func quoted(text string, at token.Pos) *ast.BasicLit {
	l := ast.NewString(text)
	l.ValuePos = at
	return l
}

// plain turns an expression into data: bare words into texts. It is false
// where the expression reckons something.
func plain(x ast.Expr, alias string) (ast.Expr, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		return x, true
	case *ast.Ident:
		return quoted(x.Name, x.Pos()), true
	case *ast.UnaryExpr:
		l, ok := x.X.(*ast.BasicLit)
		return x, ok && (x.Op == token.SUB || x.Op == token.ADD) && (l.Kind == token.INT || l.Kind == token.FLOAT)
	case *ast.SelectorExpr:
		return x, piece(x, alias)
	case *ast.ListLit:
		for i, e := range x.Elts {
			y, ok := plain(e, alias)
			if !ok {
				return nil, false
			}
			x.Elts[i] = y
		}
		return x, true
	case *ast.StructLit:
		for _, d := range x.Elts {
			f, ok := d.(*ast.Field)
			if !ok || f.Constraint != token.ILLEGAL || len(f.Attrs) > 0 {
				return nil, false
			}
			if f.Value, ok = plain(f.Value, alias); !ok {
				return nil, false
			}
		}
		return x, true
	}
	return nil, false
}

// piece says whether an expression is a piece of the language: a selector on
// the name under which the spec imports it.
func piece(x ast.Expr, alias string) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return piece(x.X, alias)
	case *ast.Ident:
		return x.Name == alias
	}
	return false
}
