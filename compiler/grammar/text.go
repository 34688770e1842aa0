package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// String prints the tree as the authors do: a nonterminal is a parenthesis with
// its symbol first, a terminal its name, e.g. "(S unet (2E conv_encoder …))".
func (d Derivation) String() string {
	var b strings.Builder
	b.Grow(512)
	d.print(&b)
	return b.String()
}

func (d *Derivation) print(b *strings.Builder) {
	if len(d.Children) == 0 {
		b.WriteString(d.Symbol)
		return
	}
	b.WriteByte('(')
	b.WriteString(d.Symbol)
	for i := range d.Children {
		b.WriteByte(' ')
		d.Children[i].print(b)
	}
	b.WriteByte(')')
}

// Lines is String broken before each part of the tree that has parts itself, of
// the root alone, for a person to read; Parse reads it too.
func (d Derivation) Lines() []string {
	lines := []string{"(" + d.Symbol}
	for _, c := range d.Children {
		if len(c.Children) > 0 {
			lines = append(lines, c.String())
		} else {
			lines[len(lines)-1] += " " + c.Symbol
		}
	}
	lines[len(lines)-1] += ")"
	return lines
}

// Parse reads the form that String prints, and says where it is no derivation
// of g. Space between the symbols is free.
func (g Grammar) Parse(text string) (Derivation, error) {
	r := reader{grammar: g, text: text}
	d, err := r.tree(0)
	if err != nil {
		return Derivation{}, err
	}
	if d.Symbol != g.Start || len(d.Children) == 0 {
		return Derivation{}, fmt.Errorf("the derivation starts with %q; grammar %s starts with (%s", d.Symbol, g.Name, g.Start)
	}
	if rest := r.word(); rest != "" {
		return Derivation{}, r.fail("%q follows the end of the derivation", rest)
	}
	return d, nil
}

// ParseTree reads the form that String prints without knowing the grammar; the
// alternatives are left at 0.
func ParseTree(text string) (Derivation, error) {
	r := reader{text: text, free: true}
	d, err := r.tree(0)
	if err == nil && r.word() != "" {
		err = r.fail("the text goes on after the derivation")
	}
	return d, err
}

// reader takes a derivation's text apart.
type reader struct {
	grammar Grammar
	text    string
	free    bool // no grammar
	at      int  // byte where the next word is sought
}

func (r *reader) fail(format string, args ...any) error {
	return fmt.Errorf("derivation, near byte %d: %s", r.at, fmt.Sprintf(format, args...))
}

// word returns the next parenthesis or name; "" at the end.
func (r *reader) word() string {
	for r.at < len(r.text) && strings.ContainsRune(" \t\r\n", rune(r.text[r.at])) {
		r.at++
	}
	from := r.at
	for r.at < len(r.text) && !strings.ContainsRune(" \t\r\n()", rune(r.text[r.at])) {
		r.at++
	}
	if from == r.at && r.at < len(r.text) {
		r.at++
	}
	return r.text[from:r.at]
}

// tree reads one node. No derivation is deeper than there are productions,
// since none contains itself.
func (r *reader) tree(depth int) (Derivation, error) {
	switch w := r.word(); {
	case w == "":
		return Derivation{}, r.fail("the text ends before the derivation does")
	case w == ")":
		return Derivation{}, r.fail("%q closes nothing", w)
	case w != "(":
		return Derivation{Symbol: w}, nil
	case depth > len(r.grammar.Productions) && !r.free, depth > most:
		return Derivation{}, r.fail("the parentheses are deeper than any derivation of %s", r.grammar.Name)
	}
	d := Derivation{Symbol: r.word()}
	p, ok := r.grammar.Production(d.Symbol)
	if !ok && !r.free {
		return d, r.fail("grammar %s has no production %q", r.grammar.Name, d.Symbol)
	}
	for !r.closes() {
		c, err := r.tree(depth + 1)
		if err != nil {
			return d, err
		}
		d.Children = append(d.Children, c)
	}
	if r.free {
		return d, nil
	}
	d.Alternative = slices.IndexFunc(p.Alternatives, func(a Alternative) bool {
		return slices.EqualFunc(a.Symbols, d.Children, r.grammar.stands)
	})
	if d.Alternative < 0 {
		return d, r.fail("%s has no alternative %q", d.Symbol, symbols(d.Children))
	}
	return d, nil
}

// closes takes a closing parenthesis, if one is next.
func (r *reader) closes() bool {
	at := r.at
	if r.word() == ")" {
		return true
	}
	r.at = at
	return false
}

// stands says whether d may stand for a symbol: with children exactly where
// the symbol has a production.
func (g Grammar) stands(symbol string, d Derivation) bool {
	_, nonterminal := g.Production(symbol)
	return d.Symbol == symbol && nonterminal == (len(d.Children) > 0)
}

func symbols(ds []Derivation) string {
	names := make([]string, len(ds))
	for i, d := range ds {
		names[i] = d.Symbol
	}
	return strings.Join(names, " ")
}
