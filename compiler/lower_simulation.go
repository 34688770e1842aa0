package compiler

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
)

// simulation is the black box of backend "simulate", else nil.
func (l *lowering) simulation(root node) *plan.Simulation {
	if backend, _ := root.field("backend").text(); backend != "simulate" {
		return nil
	}
	n := root.field("simulation").or("simulation")
	var s plan.Simulation
	s.Kind, _ = n.field("kind").text()
	for _, c := range n.field("constants").fields() {
		if s.Constants == nil {
			s.Constants = map[string]float64{}
		}
		s.Constants[c.name], _ = c.number()
	}
	file, given := n.field("file").text()
	switch {
	case given && s.Kind != "nb201":
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(n.s.file), filepath.FromSlash(file)))
		if err != nil {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err
			}
			l.add(n.field("file"), diag.Unreadable, "Simulation's file can't be read", "The file of the simulation: %v. Give a path relative to the spec.", err)
		}
		s.File, s.Text = file, string(raw)
	case s.Kind == "table":
		l.add(n.field("kind"), diag.Unreadable, "Simulation has no file", "A table is read from a file. Give simulation.file a path relative to the spec.")
	}
	return &s
}
