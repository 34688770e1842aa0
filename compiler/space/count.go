package space

import (
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Count is the number of configurations of a finite space, conditions
// respected; nil where a configuration has a float.
func (s Space) Count() *big.Int {
	sizes := s.Sizes()
	if len(sizes) != 1 {
		return nil
	}
	return sizes[0]
}

// Sizes counts the configurations by the floats that they have: entry k is the
// number of choices of everything else with which k floats are active. It is
// exact, and nil where a condition asks for a float's value.
func (s Space) Sizes() []*big.Int {
	sorted, _ := s.order()
	return s.sizes(sorted, Configuration{})
}

// sizes counts the ways to complete c with the parameters of rest. Only parents
// are enumerated: the rest are factors.
func (s Space) sizes(rest []Parameter, c Configuration) []*big.Int {
	total, floats := big.NewInt(1), 0
	for i, p := range rest {
		switch {
		case !s.active(p, c):
		case !s.parent(p.Name) && p.Kind == Float:
			floats++
		case !s.parent(p.Name):
			total.Mul(total, p.Count())
		case p.Kind == Float:
			return nil
		default:
			var sum []*big.Int
			for v, ways := range s.cases(p) {
				next := maps.Clone(c)
				next[p.Name] = v
				sizes := s.sizes(rest[i+1:], next)
				if sizes == nil {
					return nil
				}
				sum = plus(sum, times(sizes, ways.Mul(ways, total), floats))
			}
			return sum
		}
	}
	return times([]*big.Int{big.NewInt(1)}, total, floats)
}

// times multiplies sizes by a number of choices and by so many floats.
func times(sizes []*big.Int, ways *big.Int, floats int) []*big.Int {
	out := make([]*big.Int, floats, floats+len(sizes))
	for k := range out {
		out[k] = new(big.Int)
	}
	for _, n := range sizes {
		out = append(out, new(big.Int).Mul(n, ways))
	}
	return out
}

func plus(a, b []*big.Int) []*big.Int {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for k, n := range b {
		out[k] = new(big.Int).Add(out[k], n)
	}
	return out
}

// cases are the values of a parent that its conditions tell apart, each with the
// number of values that it stands for. A grammar's stands for the derivations
// that hold the same of the terminals that are asked for; it is no derivation.
func (s Space) cases(p Parameter) map[Value]*big.Int {
	out := map[Value]*big.Int{}
	if p.Kind != Grammar {
		for _, v := range p.values() {
			out[v] = big.NewInt(1)
		}
		return out
	}
	asked := s.asked(p.Name)
	for held := range 1 << len(asked) {
		var present, absent []string
		for i, symbols := range asked {
			if held>>i&1 == 0 {
				absent = append(absent, symbols...)
			} else {
				present = append(present, symbols...)
			}
		}
		present = slices.DeleteFunc(present, func(t string) bool { return slices.Contains(absent, t) })
		if n := p.holding(asked, held); n.Sign() > 0 {
			out[Text(strings.Join(present, " "))] = n
		}
	}
	return out
}

// asked are the sets of terminals that conditions ask a grammar for, each once.
func (s Space) asked(name string) [][]string {
	var out [][]string
	for _, p := range s.Parameters {
		for _, w := range p.When {
			if w.Parent != name {
				continue
			}
			set := texts(w.Values)
			slices.Sort(set)
			if !slices.ContainsFunc(out, func(o []string) bool { return slices.Equal(o, set) }) {
				out = append(out, set)
			}
		}
	}
	return out
}

// holding is the number of derivations that hold a terminal of each set whose bit
// is set, and none of the others', by inclusion and exclusion.
func (p Parameter) holding(asked [][]string, held int) *big.Int {
	total := new(big.Int)
	for without := range 1 << len(asked) {
		if without&held != without {
			continue
		}
		var absent []string
		sign := int64(1)
		for i, symbols := range asked {
			if without>>i&1 == 1 {
				sign = -sign
			}
			if without>>i&1 == 1 || held>>i&1 == 0 {
				absent = append(absent, symbols...)
			}
		}
		n := p.Grammar.CountWithout(absent)
		total.Add(total, n.Mul(n, big.NewInt(sign)))
	}
	return total
}

// parent says whether a condition asks for the parameter.
func (s Space) parent(name string) bool {
	for _, p := range s.Parameters {
		for _, w := range p.When {
			if w.Parent == name {
				return true
			}
		}
	}
	return false
}

// Count is the number of p's values; nil for a float.
func (p Parameter) Count() *big.Int {
	switch p.Kind {
	case Float:
		return nil
	case Int:
		return big.NewInt(int64(p.High) - int64(p.Low) + 1)
	case Bool:
		return big.NewInt(2)
	case Grammar:
		return p.Grammar.Count()
	}
	return big.NewInt(int64(len(p.Choices)))
}

// values lists the values that a condition may ask for.
func (p Parameter) values() []Value {
	switch p.Kind {
	case Bool:
		return []Value{Truth(false), Truth(true)}
	case Int:
		var out []Value
		for x := p.Low; x <= p.High; x++ {
			out = append(out, Number(x))
		}
		return out
	}
	return p.Choices
}
