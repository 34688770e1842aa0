package grammar

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"runspec/compiler/diag"
)

// Variables are the values that a grammar's variables are bound to: numbers
// (int or float64) and texts.
type Variables map[string]any

// most is the greatest number of productions, of alternatives in one and of
// nodes in a derivation; a grammar beyond it is a mistake.
const most = 4096

// source is a file being read, with all that is wrong in it.
type source struct {
	file    string
	text    []byte
	context *hcl.EvalContext
	offered Variables // for variables that are given nothing
	torn    bool      // something could not be evaluated, so symbols may be missing
	found   diag.Diagnostics
}

// entry is a production with its places in the file.
type entry struct {
	Production
	weights      []float64
	symbolAt     hcl.Range
	alternatives hcl.Expression
}

// The blocks and attributes of a grammar's file.
var (
	fileSchema    = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "grammar", LabelNames: []string{"name"}}}}
	grammarSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "start", Required: true}, {Name: "terminals", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "variable", LabelNames: []string{"name"}}, {Type: "production", LabelNames: []string{"symbol"}}},
	}
	variableSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "description"}, {Name: "default"}}}
	productionSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "each"}, {Name: "symbol"}, {Name: "alternatives", Required: true}, {Name: "default"}, {Name: "prior"}, {Name: "ordered"}, {Name: "weights"},
	}}
)

// Read takes the grammar from the text of a file in HCL, with its variables
// bound. All mistakes are returned at once; the grammar is whole if there are
// none. See grammars/README.md for the language.
func Read(file string, text []byte, variables Variables) (Grammar, diag.Diagnostics) {
	return read(file, text, variables, nil)
}

func read(file string, text []byte, variables, offered Variables) (Grammar, diag.Diagnostics) {
	s := &source{file: file, text: text, offered: offered}
	parsed, ds := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	s.objections(ds)
	if len(s.found) > 0 {
		return Grammar{}, s.found.Sort()
	}
	content, ds := parsed.Body.Content(fileSchema)
	s.objections(ds)
	if len(content.Blocks) != 1 {
		at := parsed.Body.MissingItemRange()
		if len(content.Blocks) > 1 {
			at = content.Blocks[1].DefRange
		}
		s.add(at, diag.Syntax, "Not one grammar", fmt.Sprintf("The file holds %d blocks `grammar \"name\" { … }`. Write one.", len(content.Blocks)))
		return Grammar{}, s.found.Sort()
	}
	g := s.grammar(content.Blocks[0], variables)
	return g, s.found.Sort()
}

func (s *source) grammar(block *hcl.Block, variables Variables) Grammar {
	content, ds := block.Body.Content(grammarSchema)
	s.objections(ds)
	g := Grammar{Name: block.Labels[0], Productions: []Production{}}
	s.bind(content.Blocks.OfType("variable"), variables, block.DefRange)
	var entries []entry
	for _, b := range content.Blocks.OfType("production") {
		entries = append(entries, s.production(b)...)
	}
	start, terminals := content.Attributes["start"], content.Attributes["terminals"]
	if start == nil || terminals == nil {
		return g
	}
	g.Start, _ = s.word(start.Expr, s.context)
	known, ok := s.words(terminals.Expr, s.context)
	for _, e := range entries {
		g.Productions = append(g.Productions, e.Production)
	}
	if ok && !s.torn {
		s.check(g, entries, known, start.Expr, terminals.Expr)
	}
	return g
}

// bind gives the variables their values: those given, else their defaults.
func (s *source) bind(blocks hcl.Blocks, given Variables, at hcl.Range) {
	values := map[string]cty.Value{}
	s.context = &hcl.EvalContext{Variables: values, Functions: functions}
	for _, b := range blocks {
		name := b.Labels[0]
		content, ds := b.Body.Content(variableSchema)
		s.objections(ds)
		if _, twice := values[name]; twice {
			s.add(b.DefRange, diag.Duplicate, "Repeated variable", fmt.Sprintf("The variable %q is declared twice. Remove one.", name))
		}
		v, bound := given[name]
		if !bound {
			v, bound = s.offered[name]
		}
		def, ok := content.Attributes["default"]
		switch {
		case bound:
			values[name] = s.value(v, b.DefRange, name)
		case ok:
			values[name], ds = def.Expr.Value(nil)
			s.objections(ds)
		default:
			values[name] = cty.DynamicVal
			s.add(b.DefRange, diag.UnboundVariable, "Variable without a value", fmt.Sprintf("The variable %q has no value here. Bind it where the grammar is used, or give it a default.", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := values[name]; !ok {
			s.add(at, diag.UnboundVariable, "Value without a variable", suggest(fmt.Sprintf("The grammar declares no variable %q, which is given a value.", name), name, slices.Sorted(maps.Keys(values)), "Declare it, or leave its value out."))
		}
	}
}

// value converts a variable's value.
func (s *source) value(v any, at hcl.Range, name string) cty.Value {
	switch v := v.(type) {
	case int:
		return cty.NumberIntVal(int64(v))
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return cty.NumberFloatVal(v)
		}
	case string:
		return cty.StringVal(v)
	case Confidence:
		return cty.StringVal(string(v))
	}
	s.add(at, diag.WrongType, "Value that no variable can have", fmt.Sprintf("The variable %q can't be %v. Give it a number or a text.", name, v))
	return cty.DynamicVal
}

// production reads a block: one production, or one for each value of `each`.
func (s *source) production(b *hcl.Block) []entry {
	content, ds := b.Body.Content(productionSchema)
	s.objections(ds)
	attributes := content.Attributes
	if attributes["alternatives"] == nil {
		return nil
	}
	contexts := []*hcl.EvalContext{s.context}
	if each := attributes["each"]; each != nil {
		contexts = nil
		for _, v := range s.elements(each.Expr, s.context) {
			c := s.context.NewChild()
			c.Variables = map[string]cty.Value{"each": v}
			contexts = append(contexts, c)
		}
	}
	var out []entry
	for _, c := range contexts {
		e := entry{symbolAt: b.LabelRanges[0], alternatives: attributes["alternatives"].Expr}
		e.Symbol = b.Labels[0]
		if a := attributes["symbol"]; a != nil {
			e.symbolAt = a.Expr.Range()
			e.Symbol, _ = s.word(a.Expr, c)
		}
		for _, v := range s.elements(e.alternatives, c) {
			words, ok := s.alternative(v, e.alternatives.Range())
			if ok && len(words) == 0 {
				s.add(s.place(e.alternatives, len(e.Alternatives)), diag.EmptyAlternative, "Empty alternative", fmt.Sprintf("An alternative of %s has no symbol. Give it a terminal that stands for nothing, or remove it.", e.Symbol))
			}
			e.Alternatives = append(e.Alternatives, Alternative{Symbols: words})
		}
		if len(e.Alternatives) == 0 && s.clean(e.alternatives, c) {
			s.add(e.alternatives.Range(), diag.EmptyAlternative, "No alternative", fmt.Sprintf("%s has no alternative, so nothing can be derived from it. Give it one.", e.Symbol))
		}
		if len(e.Alternatives) > 0 {
			s.belief(&e, attributes, c)
		}
		out = append(out, e)
	}
	return out
}

// belief fills in the default and the probabilities of a production.
func (s *source) belief(e *entry, attributes hcl.Attributes, c *hcl.EvalContext) {
	n := len(e.Alternatives)
	if a := attributes["default"]; a != nil {
		v, ds := a.Expr.Value(c)
		s.objections(ds)
		words, ok := s.alternative(v, a.Expr.Range())
		e.Default = slices.IndexFunc(e.Alternatives, func(x Alternative) bool { return slices.Equal(x.Symbols, words) })
		if e.Default < 0 {
			e.Default = 0
			if ok {
				s.add(a.Expr.Range(), diag.DefaultOutside, "Default that is no alternative", fmt.Sprintf("The default %v of %s is none of its alternatives. Choose one of them.", words, e.Symbol))
			}
		}
	}
	probabilities := uniform(n)
	weights, prior, order := attributes["weights"], attributes["prior"], attributes["ordered"]
	switch {
	case weights != nil && prior != nil:
		s.add(weights.Range, diag.BadWeights, "Weights beside a prior", fmt.Sprintf("%s has both weights and a prior. Remove one.", e.Symbol))
	case weights != nil:
		probabilities = s.weights(weights.Expr, c, e.Symbol, n, e.Default)
	case prior != nil:
		word, ok := s.word(prior.Expr, c)
		confidence := Confidence(word)
		switch {
		case ok && confidence.Weight() == 0:
			s.add(prior.Expr.Range(), diag.NotAChoice, "Unknown confidence", suggest(fmt.Sprintf("There is no confidence %q.", word), word, []string{"low", "medium", "high"}, "Write low, medium or high."))
		case attributes["default"] == nil:
			s.add(prior.Range, diag.PriorWithoutDefault, "Prior without a default", fmt.Sprintf("The prior of %s lies around its default, and there is none. Give it a default.", e.Symbol))
		case ok && order != nil && s.truth(order.Expr, c):
			probabilities = ordered(n, e.Default, confidence)
		case ok:
			probabilities = categorical(n, e.Default, confidence)
		}
	}
	for i := range e.Alternatives {
		e.Alternatives[i].Probability = probabilities[i]
	}
}

// weights reads explicit probabilities.
func (s *source) weights(expr hcl.Expression, c *hcl.EvalContext, symbol string, n, def int) []float64 {
	values := s.numbers(expr, c)
	sum, negative := 0.0, false
	for _, w := range values {
		sum += w
		negative = negative || w < 0
	}
	complain := func(detail string, args ...any) []float64 {
		s.add(expr.Range(), diag.BadWeights, "Weights that are no probabilities", fmt.Sprintf(detail, args...))
		return uniform(n)
	}
	switch {
	case len(values) != n:
		return complain("%s has %d weights for %d alternatives. Give one to each.", symbol, len(values), n)
	case negative:
		return complain("A weight of %s is negative. Give none below 0.", symbol)
	case math.Abs(sum-1) > 1e-9:
		return complain("The weights of %s sum to %v. Let them sum to 1.", symbol, sum)
	case values[def] == 0:
		return complain("The default of %s has the weight 0, so it is never drawn. Give it some, or choose another default.", symbol)
	}
	return values
}
