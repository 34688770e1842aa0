package compiler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/compiler/diag"
	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
	"runspec/grammars"
)

// stagesOf are the numbers of stages that grammars are checked with, each once:
// those of the data sets' networks, as far as they are known.
func stagesOf(ds []plan.Dataset) []int {
	var out []int
	for _, d := range append(slices.Clone(ds), plan.Dataset{}) {
		s, err := d.NetworkStages()
		if err != nil || slices.Contains(out, s.Count) || d.Name == "" && len(out) > 0 {
			continue // preparing the data tells the error
		}
		out = append(out, s.Count)
	}
	return out
}

// grammar gives a parameter its grammar, unbound, and tells what is wrong with
// it in the grammar's own file; it is false where something is.
func (l *lowering) grammar(n node, p *space.Parameter, known []plan.Dataset) bool {
	name, _ := n.field("grammar").text()
	t := &grammar.Template{File: "grammars/unet.hcl", HCL: string(grammars.UNet)}
	if name != "unet" {
		t.File = filepath.Join(filepath.Dir(n.s.file), filepath.FromSlash(name))
		raw, err := os.ReadFile(t.File)
		if err != nil {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err
			}
			l.add(n.field("grammar"), diag.Unreadable, "Grammar can't be read", "The grammar of parameter %s: %v. Give the path of a file relative to the spec, or \"unet\".", p.Name, err)
			return false
		}
		t.File, t.HCL = name, string(raw)
	}
	t.Variables = grammar.Variables{}
	for _, f := range n.field("variables").fields() {
		if text, ok := f.text(); ok {
			t.Variables[f.name] = text
		} else if x, ok := f.number(); ok {
			t.Variables[f.name] = x
		}
	}
	if p.Prior != "" {
		t.Variables["confidence"] = string(p.Prior)
		p.Prior = ""
	}
	p.Template = t
	for _, count := range stagesOf(known) {
		g, ds := t.Bind(grammar.Variables{space.Stages: count})
		l.found = append(l.found, ds...)
		if len(ds) > 0 || !l.derives(n, *p, g) || !l.room(n, *p, g, count, known) {
			return false // with other stages the same would be told again
		}
	}
	return true
}

// derivation checks one that a parameter gives as a text, without a grammar:
// that a network can be built from it, and that the data sets' plans have its
// stages, as far as their number is known.
func (l *lowering) derivation(n node, p space.Parameter, ds []plan.Dataset) {
	text, _ := n.text()
	d, err := grammar.ParseTree(text)
	if err == nil {
		err = builds(d)
	}
	if err != nil {
		l.add(n, diag.BadHyperparameter, "Hyperparameter can't have this value", "Parameter %s may be %s, from which no network can be built: %s. Write a derivation as `runspec space sample` shows them, such as (S unet (2E …) (2D …)).", p.Name, write(n.value), err)
		return
	}
	for _, known := range ds {
		if err := known.Room(text); err != nil {
			l.add(n, diag.BadHyperparameter, "Hyperparameter can't have this value", "Parameter %s may be %s, which is too deep: %s.", p.Name, write(n.value), err)
			return
		}
	}
}

// builds says why no network can be built from a derivation.
func builds(d grammar.Derivation) error {
	blocks, err := unet.DerivedStages(d)
	if err != nil {
		return err
	}
	_, err = plan.Training{}.Sketch(nnunet.ConvPlanner, space.Configuration{plan.Tree: space.Text(d.String())}, len(blocks))
	return err
}

// derives checks that a grammar's derivations are networks, by its default.
func (l *lowering) derives(n node, p space.Parameter, g grammar.Grammar) bool {
	d := g.Default()
	err := builds(d)
	if err == nil {
		return true
	}
	l.add(n.field("grammar"), diag.BadHyperparameter, "Hyperparameter can't have this value", "Parameter %s may be %s, from which no network can be built: %s. Use the terminals of grammars/unet.hcl.", p.Name, d, fmt.Sprint(err))
	return false
}

// room checks that a grammar with a number of stages yields no derivation that is
// deeper than the plans of the data sets with that number, by all that its start
// symbol may be.
func (l *lowering) room(n node, p space.Parameter, g grammar.Grammar, count int, known []plan.Dataset) bool {
	for _, d := range known {
		if s, err := d.NetworkStages(); err != nil || s.Count != count {
			continue
		}
		for _, o := range g.Openings() {
			if err := d.Room(o.String()); err != nil {
				at, remedy := n.field("grammar"), "Have the grammar use its variable stages"
				if given := n.field("variables").field(space.Stages); given.set() {
					at, remedy = given, "Drop it, since the data set's plan gives it"
				}
				l.add(at, diag.BadHyperparameter, "Hyperparameter can't have this value", "A derivation of parameter %s may be too deep: %s. %s, or take fewer.", p.Name, strings.Split(err.Error(), ";")[0], remedy)
				return false
			}
		}
	}
	return true
}
