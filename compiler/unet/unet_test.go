package unet

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hippocampus is nnU-Net's 3d_fullres network for Task04, default or ResEncM.
func hippocampus(e Encoder) Architecture {
	a := Architecture{
		Dim: 3, InputChannels: 1, Classes: 3, Encoder: e,
		DecoderBlocks: []int{2, 2, 2}, Norm: InstanceNorm, Activation: LeakyReLU,
	}
	blocks := []int{2, 2, 2, 2}
	if e == Residual {
		blocks, a.DecoderBlocks = []int{1, 3, 4, 6}, []int{1, 1, 1}
	}
	for i, n := range blocks {
		stride := [3]int{2, 2, 2}
		if i == 0 {
			stride = ones
		}
		a.Stages = append(a.Stages, Stage{Features: 32 << i, Blocks: n, Kernel: [3]int{3, 3, 3}, Stride: stride})
	}
	return a
}

func build(t *testing.T, a Architecture) Network {
	t.Helper()
	n, err := Build(a)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFLOPsAgainstMeasurement(t *testing.T) {
	// reference/nnunet/FACTS.md section 15 counts one 40x56x40 patch forward.
	for e, want := range map[Encoder]float64{Plain: 38.3e9, Residual: 58.2e9} {
		got, err := build(t, hippocampus(e)).FLOPs([3]int{40, 56, 40}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(got)-want) > 0.05e9 {
			t.Errorf("%s: %.2f GFLOP, want %.1f", e, float64(got)/1e9, want/1e9)
		}
	}
}

func TestCostsGrowWithBatch(t *testing.T) {
	n := build(t, hippocampus(Plain))
	patch := [3]int{40, 56, 40}
	one, _ := n.TrainingFLOPs(patch, 1)
	two, _ := n.TrainingFLOPs(patch, 2)
	if one == 0 || two != 2*one {
		t.Errorf("training FLOPs %d and %d for one and two patches", one, two)
	}
	// The prototype held 546 MB at its peak for this step; the estimate must be near.
	memory, err := n.TrainingMemory(2, patch)
	if err != nil {
		t.Fatal(err)
	}
	if mb := float64(memory) / 1e6; mb < 450 || mb > 650 {
		t.Errorf("%.0f MB estimated for a step that took 546", mb)
	}
}

// TestWalk checks what an engine relies on: inputs before users, channels
// that fit, and outputs from the top down.
func TestWalk(t *testing.T) {
	for name, r := range recordings(t) {
		n := build(t, r.architecture(t))
		names := map[string]bool{}
		for i, b := range n.Blocks {
			if names[b.Name] {
				t.Errorf("%s: two blocks named %s", name, b.Name)
			}
			names[b.Name] = true
			in := 0
			for _, j := range b.In {
				if j >= i {
					t.Fatalf("%s: %s reads block %d, which comes later", name, b.Name, j)
				}
				c := n.Architecture.InputChannels
				if j >= 0 {
					c = n.Blocks[j].Channels[1]
				}
				if in += c; b.Op == Add {
					in = c
				}
			}
			if in != b.Channels[0] {
				t.Errorf("%s: %s gets %d channels, says %d", name, b.Name, in, b.Channels[0])
			}
		}
		for i, o := range n.Outputs {
			if n.Blocks[o].Op != Head || (i > 0 && o > n.Outputs[i-1]) {
				t.Errorf("%s: output %d is block %d (%s)", name, i, o, n.Blocks[o].Op)
			}
		}
	}
}

func TestResidualBlock(t *testing.T) {
	a := hippocampus(Residual)
	a.Dropout = 0.2
	a.Stages[2].Features = a.Stages[1].Features // stride without change of channels: only a pool
	n := build(t, a)
	var got []string
	zero := 0
	for _, b := range n.Blocks {
		if rest, ok := strings.CutPrefix(b.Name, "encoder.stages.2.blocks.0."); ok {
			got = append(got, rest)
		}
		if b.ZeroInit {
			zero++
		}
		if b.NoBias && !strings.Contains(b.Name, ".skip.") {
			t.Errorf("%s has no bias", b.Name)
		}
	}
	want := []string{"conv1.conv", "conv1.dropout", "conv1.norm", "conv1.nonlin", "conv2.conv", "conv2.norm", "skip.0", "add", "nonlin2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if zero != 1+3+4+6 {
		t.Errorf("%d norms start at zero, want one a block", zero)
	}
}

func TestShapes(t *testing.T) {
	n := build(t, hippocampus(Plain))
	if _, err := n.Shapes([3]int{40, 52, 40}); err == nil || !strings.Contains(err.Error(), "axis y must be a positive multiple of 8") {
		t.Errorf("a patch that halves unevenly: %v", err)
	}
	got, err := n.OutputShapes([3]int{40, 56, 40})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][3]int{{40, 56, 40}, {20, 28, 20}, {10, 14, 10}}, got); d != "" {
		t.Error(d)
	}
}

func TestBuildRejects(t *testing.T) {
	for want, spoil := range map[string]func(*Architecture){
		"dim is 4":                         func(a *Architecture) { a.Dim = 4 },
		"inputChannels is 0":               func(a *Architecture) { a.InputChannels = 0 },
		"classes is 0":                     func(a *Architecture) { a.Classes = 0 },
		`unknown encoder "dense"`:          func(a *Architecture) { a.Encoder = "dense" },
		"choose one of InstanceNorm":       func(a *Architecture) { a.Norm = "" },
		`unknown activation "tanh"`:        func(a *Architecture) { a.Activation = "tanh" },
		"dropout is 1":                     func(a *Architecture) { a.Dropout = 1 },
		"dropout is NaN":                   func(a *Architecture) { a.Dropout = math.NaN() },
		"needs at least two":               func(a *Architecture) { a.Stages, a.DecoderBlocks = a.Stages[:1], nil },
		"3 decoderBlocks for 3 stages":     func(a *Architecture) { a.Stages = a.Stages[:3] },
		"decoderBlocks[1] is 0":            func(a *Architecture) { a.DecoderBlocks[1] = 0 },
		"stage 1 has 0 features":           func(a *Architecture) { a.Stages[1].Features = 0 },
		"stage 3 has 0 blocks":             func(a *Architecture) { a.Stages[3].Blocks = 0 },
		"stage 1 has kernel [3 2 3]":       func(a *Architecture) { a.Stages[1].Kernel[1] = 2 },
		"stage 1 has stride [2 2 0]":       func(a *Architecture) { a.Stages[1].Stride[2] = 0 },
		"must be 1 along z":                func(a *Architecture) { a.Dim = 2 },
		"stage 0 has stride [1 1 2]: it m": func(a *Architecture) { a.Stages[0].Stride[2] = 2 },
	} {
		a := hippocampus(Plain)
		spoil(&a)
		if _, err := Build(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
	if _, err := Build(Architecture{}); err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("an empty architecture has many faults, all to be told: %v", err)
	}
}

func TestParse(t *testing.T) {
	if n, err := ParseNorm("batchnorm"); n != BatchNorm || err != nil {
		t.Error(n, err)
	}
	if _, err := ParseActivation("SiLU"); err == nil || err.Error() != `unknown activation "SiLU": choose one of LeakyReLU, ReLU, ELU, GELU, PReLU` {
		t.Error(err)
	}
}

func TestNetworkSurvivesJSON(t *testing.T) {
	n := build(t, hippocampus(Residual))
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var back Network
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(n, back); d != "" {
		t.Error(d)
	}
}
