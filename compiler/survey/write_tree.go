package survey

import (
	"fmt"
	"io"
	"strings"

	"runspec/compiler/grammar"
	"runspec/compiler/space"
)

// twig is a line of a tree with those below it.
type twig struct {
	text  string
	below []twig
}

// write prints what is below a twig, each line behind the branches of its place.
func (t twig) write(b *strings.Builder, indent string) {
	for i, c := range t.below {
		branch, next := "├─ ", "│  "
		if i == len(t.below)-1 {
			branch, next = "└─ ", "   "
		}
		fmt.Fprintf(b, "%s%s%s\n", indent, branch, c.text)
		c.write(b, indent+next)
	}
}

// Write prints the trees for a person.
func (f Forest) Write(w io.Writer) error {
	var b strings.Builder
	for i, s := range f.Studies {
		if i > 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintln(&b, s.title())
		root := twig{}
		for _, n := range s.Branches {
			root.below = append(root.below, n.twig())
		}
		root.write(&b, "")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s StudyTree) title() string {
	if !hasGrammar(s.Branches) {
		return s.Study
	}
	return fmt.Sprintf("%s on %s, whose plan has %s stages", s.Study, s.Dataset, s.Stages)
}

func hasGrammar(nodes []Node) bool {
	for _, n := range nodes {
		if n.Kind == space.Grammar || hasGrammar(n.Children) {
			return true
		}
	}
	return false
}

func (n Node) twig() twig {
	text := fmt.Sprintf("%s: %s, ", n.Name, n.Kind)
	if n.Derivations != "" {
		text += n.Derivations + " derivations"
	} else {
		text += values(n.Parameter)
	}
	if n.Log {
		text += ", log"
	}
	if n.Default != nil {
		text += fmt.Sprintf(", default %s", n.Default)
	}
	if n.Prior != "" {
		text += fmt.Sprintf(", prior %s", n.Prior)
	}
	if len(n.When) > 0 {
		text = fmt.Sprintf("when %s: %s", when(n.Parameter), text)
	}
	out := twig{text: text}
	if len(n.Productions) > 0 {
		out.below = append(out.below, productions(n.Start, n.Productions))
	}
	if d, err := grammar.ParseTree(n.Derivation); err == nil {
		out.below = append(out.below, twig{"sampled derivation", []twig{derivation(d)}})
	}
	for _, c := range n.Children {
		out.below = append(out.below, c.twig())
	}
	return out
}

// productions lists a grammar's, each alternative with its probability and the
// default with a star.
func productions(start string, ps []grammar.Production) twig {
	out := twig{text: "grammar, from " + start}
	for _, p := range ps {
		var alternatives []string
		for i, a := range p.Alternatives {
			text := strings.Join(a.Symbols, " ")
			if len(p.Alternatives) > 1 {
				text += fmt.Sprintf(" (%.3g)", a.Probability)
			}
			if i == p.Default && len(p.Alternatives) > 1 {
				text += "*"
			}
			alternatives = append(alternatives, text)
		}
		out.below = append(out.below, twig{text: p.Symbol + " → " + strings.Join(alternatives, " | ")})
	}
	return out
}

// derivation is a derivation's tree; a symbol of one terminal stays on a line.
func derivation(d grammar.Derivation) twig {
	if len(d.Children) == 1 && len(d.Children[0].Children) == 0 {
		return twig{text: d.Symbol + " → " + d.Children[0].Symbol}
	}
	out := twig{text: d.Symbol}
	for _, c := range d.Children {
		out.below = append(out.below, derivation(c))
	}
	return out
}
