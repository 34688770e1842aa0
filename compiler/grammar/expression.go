package grammar

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"runspec/compiler/diag"
)

// functions are those that a grammar's expressions may call.
var functions = map[string]function.Function{
	"range": stdlib.RangeFunc, "concat": stdlib.ConcatFunc, "flatten": stdlib.FlattenFunc, "length": stdlib.LengthFunc,
	"min": stdlib.MinFunc, "max": stdlib.MaxFunc, "floor": stdlib.FloorFunc, "ceil": stdlib.CeilFunc,
	"between": between,
}

// between puts an element between each two of a list.
var between = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "element", Type: cty.DynamicPseudoType}, {Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[1].CanIterateElements() {
			return cty.NilVal, function.NewArgErrorf(1, "a list is needed")
		}
		var out []cty.Value
		for i, v := range args[1].AsValueSlice() {
			if i > 0 {
				out = append(out, args[0])
			}
			out = append(out, v)
		}
		return cty.TupleVal(out), nil
	},
})

// elements evaluates a list; nil where it is none, which is then told.
func (s *source) elements(expr hcl.Expression, c *hcl.EvalContext) []cty.Value {
	v, ds := expr.Value(c)
	s.objections(ds)
	if ds.HasErrors() || !v.IsKnown() {
		return nil
	}
	if v.IsNull() || !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
		s.torn = true
		s.add(expr.Range(), diag.WrongType, "Not a list", "A list is needed here. Write it in brackets, or compute it with `for`.")
		return nil
	}
	if v.LengthInt() > most {
		s.torn = true
		s.add(expr.Range(), diag.OutOfBounds, "List too long", fmt.Sprintf("The list has %d elements. Keep to %d.", v.LengthInt(), most))
		return nil
	}
	return v.AsValueSlice()
}

// clean says whether an expression has a known value, so that what is missing
// in it has not been told yet.
func (s *source) clean(expr hcl.Expression, c *hcl.EvalContext) bool {
	v, ds := expr.Value(c)
	return !ds.HasErrors() && v.IsWhollyKnown() && !v.IsNull() && v.CanIterateElements() && v.LengthInt() == 0
}

// alternative converts a right-hand side: a symbol, or a list of them.
func (s *source) alternative(v cty.Value, at hcl.Range) ([]string, bool) {
	if !v.IsWhollyKnown() {
		return nil, false
	}
	if v.Type() == cty.String && !v.IsNull() {
		return s.symbols([]cty.Value{v}, at)
	}
	if v.IsNull() || !v.Type().IsTupleType() && !v.Type().IsListType() {
		s.torn = true
		s.add(at, diag.WrongType, "Not an alternative", "An alternative is a symbol, or a list of symbols. Write it so.")
		return nil, false
	}
	return s.symbols(v.AsValueSlice(), at)
}

// symbols converts names, which hold no space and no parenthesis so that a
// derivation's text can be read back.
func (s *source) symbols(values []cty.Value, at hcl.Range) ([]string, bool) {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
			s.torn = true
			s.add(at, diag.WrongType, "Not a symbol", "A symbol is a text. Write it in quotation marks.")
			return nil, false
		}
		name := v.AsString()
		if name == "" || strings.ContainsAny(name, " \t\r\n()") {
			s.torn = true
			s.add(at, diag.BadFormat, "Not a symbol", fmt.Sprintf("%q can't be a symbol. Give it a name without spaces and parentheses.", name))
			return nil, false
		}
		out = append(out, name)
	}
	return out, true
}

func (s *source) words(expr hcl.Expression, c *hcl.EvalContext) ([]string, bool) {
	before := len(s.found)
	words, ok := s.symbols(s.elements(expr, c), expr.Range())
	return words, ok && len(s.found) == before
}

func (s *source) word(expr hcl.Expression, c *hcl.EvalContext) (string, bool) {
	v, ds := expr.Value(c)
	s.objections(ds)
	if ds.HasErrors() || !v.IsWhollyKnown() {
		return "", false
	}
	words, ok := s.symbols([]cty.Value{v}, expr.Range())
	if !ok {
		return "", false
	}
	return words[0], true
}

func (s *source) truth(expr hcl.Expression, c *hcl.EvalContext) bool {
	v, ds := expr.Value(c)
	s.objections(ds)
	if ds.HasErrors() || !v.IsKnown() {
		return false
	}
	if v.Type() != cty.Bool || v.IsNull() {
		s.add(expr.Range(), diag.WrongType, "Not a truth value", "Write true or false.")
		return false
	}
	return v.True()
}

func (s *source) numbers(expr hcl.Expression, c *hcl.EvalContext) []float64 {
	var out []float64
	for _, v := range s.elements(expr, c) {
		n, err := convert.Convert(v, cty.Number)
		if err != nil || n.IsNull() || !n.IsKnown() {
			s.add(expr.Range(), diag.WrongType, "Not a number", "A weight is a number. Write one.")
			return nil
		}
		f, _ := n.AsBigFloat().Float64()
		out = append(out, f)
	}
	return out
}

// place is where the element at index i of a list is written, or else the list.
func (s *source) place(expr hcl.Expression, i int) hcl.Range {
	if parts, ds := hcl.ExprList(expr); !ds.HasErrors() && i < len(parts) {
		return parts[i].Range()
	}
	return expr.Range()
}

// written is where a symbol stands literally in an expression, or else the
// whole of it.
func written(expr hcl.Expression, symbol string) hcl.Range {
	at := expr.Range()
	node, ok := expr.(hclsyntax.Expression)
	if !ok {
		return at
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if t, ok := n.(*hclsyntax.TemplateExpr); ok && t.IsStringLiteral() {
			if v, _ := t.Value(nil); v.AsString() == symbol {
				at = t.Range()
			}
		}
		return nil
	})
	return at
}

// objections takes over what HCL says.
func (s *source) objections(ds hcl.Diagnostics) {
	s.torn = s.torn || len(ds) > 0
	for _, d := range ds {
		code := diag.Syntax
		switch d.Summary {
		case "Unknown variable", "Variables not allowed":
			code = diag.UnboundVariable
		case "Missing required argument":
			code = diag.MissingField
		case "Unsupported argument", "Unsupported block type":
			code = diag.UnknownField
		case "Invalid function argument", "Error in function call":
			code = diag.Invalid
		}
		at := hcl.Range{Filename: s.file}
		if d.Subject != nil {
			at = *d.Subject
		}
		s.add(at, code, d.Summary, d.Detail)
	}
}

func (s *source) add(at hcl.Range, code diag.Code, summary, detail string) {
	line := bytes.LastIndexByte(s.text[:min(at.Start.Byte, len(s.text))], '\n') + 1
	rest := s.text[line:]
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end]
	}
	r := diag.Range{File: s.file}
	if at.Start.Line > 0 {
		column := at.Start.Byte - line + 1
		r.Start = diag.Position{Line: at.Start.Line, Column: column}
		r.End = diag.Position{Line: at.End.Line, Column: column + at.End.Byte - at.Start.Byte}
	}
	s.found = append(s.found, diag.Diagnostic{Severity: diag.Error, Code: code, Summary: summary, Detail: detail, Range: r, Source: strings.TrimSuffix(string(rest), "\r")})
}

// suggest ends a sentence in the nearest candidate, or else in a remedy.
func suggest(sentence, given string, candidates []string, remedy string) string {
	if hint := diag.DidYouMean(given, candidates); hint != "" {
		return sentence + " " + hint
	}
	return sentence + " " + remedy
}
