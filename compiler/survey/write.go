package survey

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
)

// unknown is what is shown of a network whose data set has not been read.
const unknown = "(known after fingerprint)"

// Write prints the statistics for a person.
func (s Stats) Write(w io.Writer) error {
	var b strings.Builder
	for i, study := range s.Studies {
		if i > 0 {
			fmt.Fprintln(&b)
		}
		study.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s StudyStats) write(b *strings.Builder) {
	fmt.Fprintf(b, "Study %s: %s, %s\n", s.Study, count(len(s.Parameters), "parameter"), count(s.Conditions, "condition"))
	var rows []string
	for _, p := range s.Parameters {
		rows = append(rows, strings.Join([]string{p.Name, string(p.Kind), values(p), scale(p), standard(p), string(p.Prior), when(p)}, "\t"))
	}
	plan.WriteTable(b, "PARAMETER\tKIND\tVALUES\tSCALE\tDEFAULT\tPRIOR\tWHEN", rows)
	for _, z := range s.Sizes {
		z.write(b)
	}
	if len(s.Fits) > 0 {
		writeFits(b, s.Fits)
	}
}

func (z Size) write(b *strings.Builder) {
	on := ""
	if z.Stages != nil {
		on = fmt.Sprintf(" with %s stages, as of %s", z.Stages, strings.Join(z.Datasets, ", "))
	}
	fmt.Fprintf(b, "\nConfigurations%s: %s\n", on, cardinality(z.Cardinality))
	for _, g := range z.Grammars {
		var rows []string
		shown := "\t"
		for _, r := range g.Branches {
			mark := ""
			if r.Default {
				mark, shown = "default", r.Total
			}
			rows = append(rows, fmt.Sprintf("%s\t%s\t%.4f\t%s", r.Symbols, r.Total, r.Probability, mark))
		}
		fmt.Fprintf(b, "Derivations of %s: %s; without the choice of depth: %s\n", g.Parameter, g.Total, shown)
		plan.WriteTable(b, "BEGINS WITH\tDERIVATIONS\tPROBABILITY\t", rows)
	}
}

// cardinality prints a sum of counts of choices times continuous ranges.
func cardinality(terms []Term) string {
	if len(terms) == 0 {
		return "not countable, since a condition asks for a float's value"
	}
	var out []string
	for _, t := range terms {
		text := t.Choices
		if t.Continuous > 0 {
			text += fmt.Sprintf(" × %s", count(t.Continuous, "continuous dimension"))
		}
		out = append(out, text)
	}
	return strings.Join(out, " + ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// values are those that a parameter may have.
func values(p space.Parameter) string {
	switch p.Kind {
	case space.Float, space.Int:
		return fmt.Sprintf("%v … %v", p.Low, p.High)
	case space.Bool:
		return "false | true"
	case space.Grammar:
		return "derivations"
	}
	var out []string
	for _, v := range p.Choices {
		out = append(out, v.String())
	}
	return strings.Join(out, " | ")
}

func scale(p space.Parameter) string {
	switch {
	case p.Log:
		return "log"
	case p.Kind == space.Float, p.Kind == space.Int:
		return "linear"
	}
	return ""
}

func standard(p space.Parameter) string {
	switch {
	case p.Default != nil:
		return p.Default.String()
	case p.Kind == space.Grammar:
		return "the grammar's"
	}
	return ""
}

func when(p space.Parameter) string {
	var out []string
	for _, c := range p.When {
		var vs []string
		for _, v := range c.Values {
			vs = append(vs, v.String())
		}
		out = append(out, c.Parent+" = "+strings.Join(vs, " | "))
	}
	return strings.Join(out, ", ")
}

func writeFits(b *strings.Builder, fits []Fits) {
	fmt.Fprintf(b, "\nNetworks of %d samples, in per cent\n", draws)
	var rows, notes []string
	for _, f := range fits {
		share := func(n int) string { return fmt.Sprintf("%.1f", 100*float64(n)/float64(f.Draws)) }
		cells := []string{f.Dataset, f.Stages.String(), share(f.Shallow), share(f.TwoStages)}
		if f.Known {
			cells = append(cells, share(f.Shrunk), share(f.Dropped), share(f.Failed))
		} else {
			cells = append(cells, unknown, "", share(f.Failed))
		}
		rows = append(rows, strings.Join(cells, "\t"))
		for _, cause := range f.Causes {
			notes = append(notes, fmt.Sprintf("%s: can't be built: %s", f.Dataset, cause))
		}
	}
	plan.WriteTable(b, "DATA SET\tSTAGES OF THE PLAN\tFEWER STAGES\tTWO STAGES\tDO NOT FIT AS PLANNED\tLOSE STAGES\tCAN'T BE BUILT", rows)
	for _, n := range notes {
		fmt.Fprintln(b, n)
	}
}

// Write prints the samples for a person.
func (s Samples) Write(w io.Writer) error {
	var b strings.Builder
	from := "the prior"
	if !s.Prior {
		from = "uniform draws"
	}
	for i, one := range s.Studies {
		if i > 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "Study %s on %s, whose plan has %s stages: %s from %s, seed %d\n", one.Study, one.Dataset, one.Stages, count(len(one.Samples), "configuration"), from, s.Seed)
		one.write(&b, s.Limit)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s StudySamples) write(b *strings.Builder, limit int64) {
	var rows []string
	for i, one := range s.Samples {
		row := fmt.Sprintf("%d\tcan't be built", i)
		if one.Network != nil {
			row = fmt.Sprintf("%d\t%s", i, one.Network.row())
		}
		rows = append(rows, row)
	}
	plan.WriteTable(b, "#\tENCODER\tSTAGES\tFEATURES\tBLOCKS\tDECODER\tPARAMETERS\tPATCH\tBATCH\tMEMORY (estimate)\tFORWARD (GFLOP a patch)", rows)
	for i, one := range s.Samples {
		fmt.Fprintf(b, "\n#%d, density %.3g\n", i, one.Density)
		for _, name := range slices.Sorted(maps.Keys(one.Configuration)) {
			fmt.Fprintf(b, "  %s: %s\n", name, strings.Join(one.Configuration[name].Lines(), "\n    "))
		}
		for _, note := range one.notes(s.Stages, limit) {
			fmt.Fprintf(b, "  → %s\n", note)
		}
	}
}

// row describes a network in a table's cells.
func (n Network) row() string {
	encoder := fmt.Sprintf("%s, %s", n.Encoder, unet.Side{Norm: n.Norm, Activation: n.Activation, Dropout: n.Dropout}.Describe())
	decoder := numbers(n.DecoderBlocks, " ")
	if n.Decoder != nil {
		decoder += ", " + n.Decoder.Describe()
	}
	if n.Stages == 0 {
		return strings.Join([]string{encoder, unknown}, "\t")
	}
	cells := []string{encoder, fmt.Sprint(n.Stages), numbers(n.Features, " "), numbers(n.Blocks, " "), decoder}
	if n.Parameters == 0 {
		return strings.Join(append(cells, unknown), "\t")
	}
	return strings.Join(append(cells, fmt.Sprint(n.Parameters), numbers(n.Patch, "×"), fmt.Sprint(n.Batch),
		fmt.Sprintf("%.2f GB", float64(n.Memory)/1e9), fmt.Sprintf("%.4g", float64(n.FLOPs)/1e9)), "\t")
}

func numbers(xs []int, between string) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(xs), " ", between), "[]")
}

// notes say what became of a sample that did not fit, and why.
func (s Sample) notes(stages plan.Stages, limit int64) []string {
	if s.Network == nil {
		return []string{"can't be built: " + s.Cause}
	}
	var out []string
	n := s.Network
	if n.Fit.Shrunk {
		out = append(out, fmt.Sprintf("does not fit nnU-Net's memory with %s × %d, which its encoder's default blocks have: planned anew", numbers(n.Fit.Patch[:], "×"), n.Fit.Batch))
	}
	if n.Fit.Dropped > 0 {
		out = append(out, fmt.Sprintf("the smaller patch has no room for its deepest %s: left out", count(n.Fit.Dropped, "stage")))
	}
	if limit > 0 && n.Memory > limit {
		out = append(out, fmt.Sprintf("needs about %.2f GB, more than limits.memory, %.2f GB: its training would be stopped", float64(n.Memory)/1e9, float64(limit)/1e9))
	}
	if n.derived && n.Stages+n.Fit.Dropped < stages.Count {
		out = append(out, fmt.Sprintf("%d of the plan's %d stages: the loss weighs its own outputs", n.Stages+n.Fit.Dropped, stages.Count))
	}
	if n.Stages == 2 {
		out = append(out, "two stages: its only output has the whole weight, where nnU-Net's rule gives none")
	}
	return out
}

// Write prints the verdicts for a person.
func (vs Verdicts) Write(w io.Writer) error {
	var b strings.Builder
	var rows []string
	for _, v := range vs.Studies {
		verdict := "sound"
		if len(v.Problems) > 0 {
			verdict = strings.Join(v.Problems, "; ")
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%.3g\t%d of %d\t%s", v.Study, v.Dataset, v.Stages, v.Parameters, v.Conditions, v.Density, v.Draws-v.Failed, v.Draws, verdict))
	}
	plan.WriteTable(&b, "STUDY\tDATA SET\tSTAGES\tPARAMETERS\tCONDITIONS\tDENSITY OF THE DEFAULT\tNETWORKS BUILT\tVERDICT", rows)
	_, err := io.WriteString(w, b.String())
	return err
}
