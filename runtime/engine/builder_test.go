package engine_test

import (
	"strings"
	"testing"

	"runspec/runtime/engine"
)

// TestBadShapes wants every operation to refuse operands that do not fit,
// with an error and without a panic.
func TestBadShapes(t *testing.T) {
	for _, bad := range []struct {
		want   string
		op     engine.Op
		shapes [][]int
	}{
		{"2 channels meet a kernel for 3", engine.Convolution{Stride: [3]int{1, 1, 1}}, [][]int{{1, 4, 4, 4, 2}, {1, 1, 1, 3, 5}}},
		{"kernel of 5", engine.Convolution{Stride: [3]int{1, 1, 1}}, [][]int{{1, 4, 4, 4, 2}, {5, 1, 1, 2, 5}}},
		{"stride 0", engine.Convolution{}, [][]int{{1, 4, 4, 4, 2}, {1, 1, 1, 2, 5}}},
		{"bias of length 4", engine.Convolution{Stride: [3]int{1, 1, 1}}, [][]int{{1, 4, 4, 4, 2}, {1, 1, 1, 2, 5}, {4}}},
		{"has 4 axes", engine.Convolution{}, [][]int{{4, 4, 4, 2}, {1, 1, 1, 2, 5}}},
		{"operands", engine.Transposed{}, [][]int{{1, 4, 4, 4, 2}}},
		{"channels", engine.Transposed{}, [][]int{{1, 4, 4, 4, 2}, {2, 2, 2, 3, 5}, {5}}},
		{"channels or samples", engine.Normalise{}, [][]int{{2, 1, 1, 1, 4}, {2, 3, 4}, {4}, {4}}},
		{"differ", engine.Add{}, [][]int{{1, 1, 1, 1, 2}, {1, 1, 1, 1, 3}}},
		{"differ", engine.Concat{}, [][]int{{1, 1, 1, 1, 2}, {1, 1, 1, 2, 2}}},
		{"channels 3 to 5 of 4", engine.Slice{Offset: 3, Channels: 2}, [][]int{{1, 1, 1, 1, 4}}},
		{"window of 2", engine.AveragePool{Window: [3]int{2, 1, 1}}, [][]int{{1, 3, 1, 1, 4}}},
		{"differ", engine.Drop{}, [][]int{{2, 1, 1, 1, 4}, {2, 3}}},
		{"differ", engine.LossStatistics{}, [][]int{{2, 2, 2, 2, 3}, {2, 2, 2, 1}}},
		{"2 slopes", engine.Activate{Function: engine.PReLU}, [][]int{{1, 1, 1, 1, 4}, {2}}},
		{"1 operands for 2 weights", engine.WeightedSum{Weights: []float64{1, 2}}, [][]int{{}}},
	} {
		b := engine.NewBuilder()
		var in []engine.Value
		for i, s := range bad.shapes {
			if len(s) == 0 {
				continue
			}
			in = append(in, b.Input(engine.ParameterInput{Index: i}, s...))
		}
		if len(in) == 0 {
			in = []engine.Value{scalar(b)}
		}
		b.Apply(bad.op, in...)
		if _, err := b.Graph(engine.Outputs{}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%T of %v: error %v, want one about %q", bad.op, bad.shapes, err, bad.want)
		}
	}
}

// scalar is the loss of some logits.
func scalar(b *engine.Builder) engine.Value {
	logits := b.Input(engine.Image{}, 1, 1, 1, 2, 3)
	labels := b.Input(engine.Labels{}, 1, 1, 1, 2)
	o := engine.Objective{Kind: engine.CE}
	return b.Apply(engine.LossValue{Objective: o}, logits, labels, b.Apply(engine.LossStatistics{Objective: o}, logits, labels))
}

// TestMissingOperand wants an error where a value of a failed call is used.
func TestMissingOperand(t *testing.T) {
	b := engine.NewBuilder()
	b.Apply(engine.Add{}, engine.Value{}, engine.Value{})
	if _, err := b.Graph(engine.Outputs{}); err == nil {
		t.Error("no error")
	}
	b = engine.NewBuilder()
	b.Input(engine.Image{}, 1, 1, 1, 1, 1)
	b.Input(engine.Image{}, 1, 1, 1, 1, 1)
	if _, err := b.Graph(engine.Outputs{}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("an input given twice: error %v", err)
	}
}

// TestEqualOperationsStayApart guards against Gorgonia's merging of nodes by
// hash: many equal operations must remain as many nodes, in an order in which
// operands come first.
func TestEqualOperationsStayApart(t *testing.T) {
	b := engine.NewBuilder()
	x := b.Input(engine.Image{}, 1, 2, 2, 2, 1)
	sum := x
	const n = 300
	for range n {
		sum = b.Apply(engine.Add{}, sum, b.Apply(engine.Activate{Function: engine.ReLU}, x))
	}
	g, err := b.Graph(engine.Outputs{Logits: []engine.Value{sum}})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for i, node := range g.Nodes {
		if _, ok := node.Op.(engine.Activate); ok {
			count++
		}
		for _, k := range node.In {
			if k >= i {
				t.Fatalf("node %d reads node %d", i, k)
			}
		}
	}
	if count != n {
		t.Errorf("%d activations left of %d", count, n)
	}
}
