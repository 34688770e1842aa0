package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"runspec/compiler/grammar"
	"runspec/compiler/space"
)

// Architecture says what a derivation means to a formula. It is an invention, as
// no training of Auto-nnU-Net's hierarchical space has been published: it stands
// in for one so that a search can be played. Terminals that it does not know
// change nothing.
type Architecture struct {
	Terminals map[string]Meaning `json:"terminals"`
	Unit      string             `json:"unit"`     // a terminal of a number and the unit, such as 3b, is so many blocks
	Blocks    float64            `json:"blocks"`   // of the network whose capacity and time are the formula's
	Capacity  float64            `json:"capacity"` // that twice the blocks add
	Time      float64            `json:"time"`     // exponent of the blocks
}

// Meaning is the choice of a parameter that a terminal stands for. Where several
// terminals stand for one, as those of an encoder and a decoder do, penalties and
// times are their mean.
type Meaning struct {
	Parameter string      `json:"parameter"`
	Value     space.Value `json:"value"`
}

// network is what a configuration's derivation means.
type network struct {
	choices map[string][]space.Value // by parameter
	blocks  float64                  // relative to the formula's; 1 without a derivation
}

// network reads the derivation that a configuration has, whatever the name of
// its parameter.
func (f Formula) network(c space.Configuration) (network, error) {
	n := network{choices: map[string][]space.Value{}, blocks: 1}
	for name, v := range c {
		text, ok := v.Text()
		if !ok || !strings.HasPrefix(text, "(") {
			continue
		}
		d, err := grammar.ParseTree(text)
		if err != nil {
			return n, fmt.Errorf("parameter %s: %w", name, err)
		}
		if blocks := f.Architecture.read(d, n.choices); blocks > 0 && f.Architecture.Blocks > 0 {
			n.blocks = blocks / f.Architecture.Blocks
		}
	}
	return n, nil
}

// read adds what a derivation's terminals mean, and returns its blocks.
func (a Architecture) read(d grammar.Derivation, choices map[string][]space.Value) (blocks float64) {
	if len(d.Children) == 0 {
		if m, ok := a.Terminals[d.Symbol]; ok {
			choices[m.Parameter] = append(choices[m.Parameter], m.Value)
		}
		if digits, ok := strings.CutSuffix(d.Symbol, a.Unit); ok && a.Unit != "" {
			n, _ := strconv.ParseUint(digits, 10, 16) // 0 of another terminal
			return float64(n)
		}
		return 0
	}
	for _, c := range d.Children {
		blocks += a.read(c, choices)
	}
	return blocks
}

// capacity is what the derivation's blocks add to the network's.
func (f Formula) capacity(n network) float64 { return f.Architecture.Capacity * math.Log2(n.blocks) }

// work is the factor of an epoch's time for the derivation's blocks.
func (f Formula) work(n network) float64 { return math.Pow(n.blocks, f.Architecture.Time) }
