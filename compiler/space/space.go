// Package space holds search spaces: parameters with bounds or choices,
// defaults, priors and conditions; configurations are their points.
package space

import "runspec/compiler/grammar"

// Kind discriminates parameters.
type Kind string

// The kinds of parameter. A grammar's value is the text of a derivation.
const (
	Float       Kind = "float"
	Int         Kind = "int"
	Categorical Kind = "categorical"
	Bool        Kind = "bool"
	Constant    Kind = "constant"
	Grammar     Kind = "grammar"
)

// Confidence is how far a prior is trusted.
type Confidence = grammar.Confidence

// The words for confidence: a truncated normal of std 0.5, 0.25, 0.125 of the
// range in the sampling scale; a weight of 2, 4, 6 on the default category.
const (
	Low    = grammar.Low
	Medium = grammar.Medium
	High   = grammar.High
)

// Parameter is one dimension of a Space.
type Parameter struct {
	Name    string      `json:"name"`
	Kind    Kind        `json:"kind"`
	Low     float64     `json:"low,omitempty"`  // float, int
	High    float64     `json:"high,omitempty"` // float, int
	Log     bool        `json:"log,omitempty"`  // float, int
	Choices []Value     `json:"choices,omitempty"`
	Default *Value      `json:"default,omitempty"`
	Prior   Confidence  `json:"prior,omitempty"` // "": uniform
	When    []Condition `json:"when,omitempty"`  // all must hold; else the parameter is inactive

	Grammar  *grammar.Grammar  `json:"grammar,omitempty"`  // grammar; it holds default and prior itself
	Template *grammar.Template `json:"template,omitempty"` // grammar, until Bind makes it Grammar
}

// Condition activates a parameter: its parent's value is one of Values. Where
// the parent is a grammar, its derivation holds one of Values as a terminal.
type Condition struct {
	Parent string  `json:"parent"`
	Values []Value `json:"values"`
}

// Space is a list of parameters, sorted by name.
type Space struct {
	Parameters []Parameter `json:"parameters"`
}
