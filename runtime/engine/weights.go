package engine

import (
	"fmt"
	"maps"
	"slices"
)

// Weights are what an executor trains: parameters and optimiser state in the
// graph's layout, and running statistics.
type Weights struct {
	Steps  int
	Values [][]float32            // per Program.Parameters
	Slots  map[string][][]float32 // optimiser state, nil for parameters without gradient
	Norms  [][2][]float32         // per Program.Norms: running mean, running variance

	program *Program
}

// Adam's constants, PyTorch's defaults.
const (
	Beta1       = 0.9
	Beta2       = 0.999
	AdamEpsilon = 1e-8
)

// SlotNames are the optimiser's state tensors per parameter.
func (o Optimizer) SlotNames() []string {
	switch {
	case o.Kind == SGD:
		return []string{"momentum"}
	case o.AMSGrad:
		return []string{"m", "v", "vmax"}
	}
	return []string{"m", "v"}
}

// NewWeights returns zeros, with running statistics of mean 0 and variance 1.
func NewWeights(p *Program) *Weights {
	w := &Weights{program: p, Slots: map[string][][]float32{}}
	for _, q := range p.Parameters {
		w.Values = append(w.Values, make([]float32, Size(q.Shape)))
	}
	for _, name := range p.Optimizer.SlotNames() {
		slot := make([][]float32, len(p.Parameters))
		for i, q := range p.Parameters {
			if p.Train.Gradients[i] >= 0 {
				slot[i] = make([]float32, Size(q.Shape))
			}
		}
		w.Slots[name] = slot
	}
	for _, n := range p.Norms {
		w.Norms = append(w.Norms, [2][]float32{make([]float32, n.Channels), slices.Repeat([]float32{1}, n.Channels)})
	}
	return w
}

// Follow moves the running statistics of Program.Norms[i] towards one batch's
// Moments: the mean, and the variance without bias.
func (w *Weights) Follow(i int, moments []float64) {
	norm := w.program.Norms[i]
	unbias := float64(norm.Count) / float64(max(1, norm.Count-1))
	for c := range norm.Channels {
		mean, inverse := moments[c], moments[norm.Channels+c]
		variance := (1/(inverse*inverse) - NormEpsilon) * unbias
		for row, now := range [2]float64{mean, variance} {
			running := &w.Norms[i][row][c]
			*running = float32((1-RunningMomentum)*float64(*running) + RunningMomentum*now)
		}
	}
}

// State copies the weights out, in PyTorch's layout.
func (w *Weights) State() State {
	s := State{
		Steps:      w.Steps,
		Parameters: map[string]Tensor{},
		Buffers:    map[string]Tensor{},
		Slots:      map[string]map[string]Tensor{},
	}
	for i, p := range w.program.Parameters {
		s.Parameters[p.Name] = p.export(w.Values[i])
	}
	for name, slot := range w.Slots {
		s.Slots[name] = map[string]Tensor{}
		for i, p := range w.program.Parameters {
			if slot[i] != nil {
				s.Slots[name][p.Name] = p.export(slot[i])
			}
		}
	}
	for i, n := range w.program.Norms {
		for row, name := range n.Buffers() {
			s.Buffers[name] = Tensor{Shape: []int{n.Channels}, Data: slices.Clone(w.Norms[i][row])}
		}
	}
	return s
}

// Buffers names the running mean and variance, as PyTorch does.
func (n Norm) Buffers() [2]string {
	return [2]string{n.Name + ".running_mean", n.Name + ".running_var"}
}

// Restore copies a state in. Without steps, buffers and slots may be missing:
// they start anew then. On an error nothing has changed.
func (w *Weights) Restore(s State) error {
	if _, scaled := s.Slots[ScalerSlot]; scaled { // not the optimiser's
		s.Slots = maps.Clone(s.Slots)
		delete(s.Slots, ScalerSlot)
	}
	slots := s.Steps > 0 || len(s.Slots) > 0
	buffers := s.Steps > 0 || len(s.Buffers) > 0
	if err := w.check(s, slots, buffers); err != nil {
		return err
	}
	w.Steps = s.Steps
	w.load(s.Parameters, w.Values)
	for name, slot := range w.Slots {
		w.load(s.Slots[name], slot) // a missing tensor clears
	}
	for i, n := range w.program.Norms {
		for row, name := range n.Buffers() {
			if buffers {
				copy(w.Norms[i][row], s.Buffers[name].Data)
			} else {
				copy(w.Norms[i][row], slices.Repeat([]float32{float32(row)}, n.Channels))
			}
		}
	}
	return nil
}

// check says why s is not a state of the program, or nil.
func (w *Weights) check(s State, slots, buffers bool) error {
	if err := w.checkTensors("parameters", s.Parameters, w.Values); err != nil {
		return err
	}
	if slots {
		wanted := w.program.Optimizer.SlotNames()
		if err := names("optimiser state", s.Slots, wanted); err != nil {
			return err
		}
		for _, name := range wanted {
			if err := w.checkTensors("optimiser state "+name, s.Slots[name], w.Slots[name]); err != nil {
				return err
			}
		}
	}
	if buffers {
		return w.checkBuffers(s.Buffers)
	}
	return nil
}

func (w *Weights) checkTensors(what string, from map[string]Tensor, to [][]float32) error {
	var want []string
	for i, p := range w.program.Parameters {
		if to[i] != nil {
			want = append(want, p.Name)
		}
	}
	if err := names(what, from, want); err != nil {
		return err
	}
	for i, p := range w.program.Parameters {
		if to[i] == nil {
			continue
		}
		if err := p.check(from[p.Name]); err != nil {
			return fmt.Errorf("%s: %s: %w", what, p.Name, err)
		}
	}
	return nil
}

func (w *Weights) checkBuffers(from map[string]Tensor) error {
	var want []string
	for _, n := range w.program.Norms {
		b := n.Buffers()
		want = append(want, b[:]...)
	}
	if err := names("buffers", from, want); err != nil {
		return err
	}
	for _, n := range w.program.Norms {
		for _, name := range n.Buffers() {
			if got := len(from[name].Data); got != n.Channels {
				return fmt.Errorf("buffers: %s: %d values for %d channels", name, got, n.Channels)
			}
		}
	}
	return nil
}

// load copies checked tensors in; one that is missing becomes zeros.
func (w *Weights) load(from map[string]Tensor, to [][]float32) {
	for i, p := range w.program.Parameters {
		data := from[p.Name].Data
		switch {
		case to[i] == nil:
		case data == nil:
			clear(to[i])
		default:
			p.walk(func(torch, graph int) { to[i][graph] = data[torch] })
		}
	}
}

// names checks that from has exactly the wanted entries.
func names[T any](what string, from map[string]T, want []string) error {
	for _, name := range want {
		if _, ok := from[name]; !ok {
			return fmt.Errorf("%s: %s is missing", what, name)
		}
	}
	if len(from) == len(want) {
		return nil
	}
	var extra []string
	for name := range from {
		if !slices.Contains(want, name) {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra)
	return fmt.Errorf("%s: the network has no %s", what, extra[0])
}

// export turns values of the graph's layout into PyTorch's.
func (p Parameter) export(values []float32) Tensor {
	t := Tensor{Shape: slices.Clone(p.Shape), Data: make([]float32, len(values))}
	p.walk(func(torch, graph int) { t.Data[torch] = values[graph] })
	return t
}

// check says why t is not the parameter. A 2-D network's weights may lack the
// z axis.
func (p Parameter) check(t Tensor) error {
	shape := t.Shape
	if len(shape) == 4 && len(p.Shape) == 5 && p.Shape[2] == 1 {
		shape = slices.Insert(slices.Clone(shape), 2, 1)
	}
	if !slices.Equal(shape, p.Shape) || len(t.Data) != Size(p.Shape) {
		return fmt.Errorf("shape %v with %d values, expected %v", t.Shape, len(t.Data), p.Shape)
	}
	return nil
}

// GraphShape is the parameter's shape in the graph: (KD, KH, KW, in, out) for
// weights of convolutions.
func (p Parameter) GraphShape() []int {
	if len(p.Shape) != 5 {
		return slices.Clone(p.Shape)
	}
	in, out := p.Shape[1], p.Shape[0]
	if p.Transposed {
		in, out = out, in
	}
	return []int{p.Shape[2], p.Shape[3], p.Shape[4], in, out}
}

// walk calls f with the position of every element in both layouts.
func (p Parameter) walk(f func(torch, graph int)) {
	if len(p.Shape) != 5 {
		for i := range Size(p.Shape) {
			f(i, i)
		}
		return
	}
	g := p.GraphShape()
	in, out, taps := g[3], g[4], g[0]*g[1]*g[2]
	for t := range taps {
		for i := range in {
			for o := range out {
				torch := (o*in+i)*taps + t
				if p.Transposed {
					torch = (i*out+o)*taps + t
				}
				f(torch, (t*in+i)*out+o)
			}
		}
	}
}
