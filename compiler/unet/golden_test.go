package unet

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shared = "../../../shared/reference/nnunet"

// recording is what PyTorch says about one network of
// dynamic_network_architectures 0.4.4.
type recording struct {
	Architecture struct {
		Class string `json:"network_class_name"`
		Args  struct {
			Features      []int   `json:"features_per_stage"`
			Conv          string  `json:"conv_op"`
			Kernels       [][]int `json:"kernel_sizes"`
			Strides       [][]int `json:"strides"`
			Convs         []int   `json:"n_conv_per_stage"`
			Blocks        []int   `json:"n_blocks_per_stage"`
			DecoderBlocks []int   `json:"n_conv_per_stage_decoder"`
			Norm          string  `json:"norm_op"`
			Nonlin        string  `json:"nonlin"`
			Dropout       *struct {
				P float64 `json:"p"`
			} `json:"dropout_op_kwargs"`
		} `json:"arch_kwargs"`
	} `json:"architecture"`
	InputChannels  int         `json:"in_ch"`
	Classes        int         `json:"out_ch"`
	Patch          []int       `json:"patch_size"`
	Scales         [][]float64 `json:"ds_scales"`
	ParameterCount int64       `json:"n_params"`
	FeatureMapSize int64       `json:"feature_map_size"`
	Parameters     []Parameter `json:"params"`
}

func (r recording) architecture(t *testing.T) Architecture {
	t.Helper()
	args := r.Architecture.Args
	a := Architecture{
		Dim: len(args.Kernels[0]), InputChannels: r.InputChannels, Classes: r.Classes,
		Encoder: Plain, DecoderBlocks: args.DecoderBlocks,
	}
	blocks := args.Convs
	if strings.HasSuffix(r.Architecture.Class, "ResidualEncoderUNet") {
		a.Encoder, blocks = Residual, args.Blocks
	}
	for i, f := range args.Features {
		a.Stages = append(a.Stages, Stage{Features: f, Blocks: blocks[i], Kernel: three(args.Kernels[i], 1), Stride: three(args.Strides[i], 1)})
	}
	var err error
	norm := args.Norm[strings.LastIndex(args.Norm, ".")+1:]
	if a.Norm, err = ParseNorm(strings.TrimRight(norm, "23d")); err != nil {
		t.Fatal(err)
	}
	if a.Activation, err = ParseActivation(args.Nonlin[strings.LastIndex(args.Nonlin, ".")+1:]); err != nil {
		t.Fatal(err)
	}
	if args.Dropout != nil {
		a.Dropout = args.Dropout.P
	}
	return a
}

// three puts a z axis of length front before a 2-D list.
func three(list []int, front int) [3]int {
	if len(list) == 2 {
		return [3]int{front, list[0], list[1]}
	}
	return [3]int(list)
}

// recordings reads the committed networks and, where ../shared lies beside the
// repository, nnU-Net's full ones for the hippocampus (patch 40x56x40).
func recordings(t *testing.T) map[string]recording {
	t.Helper()
	out := map[string]recording{}
	files, _ := filepath.Glob("testdata/networks/*.json")
	full, _ := filepath.Glob(shared + "/networks/full/nnUNet*.json")
	for _, f := range append(files, full...) {
		var r recording
		readJSON(t, f, &r)
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if r.Patch == nil {
			r.Patch = []int{40, 56, 40}[3-len(r.Architecture.Args.Kernels[0]):]
		}
		out[name] = r
	}
	if len(files) != 6 {
		t.Fatalf("%d committed networks, want 6", len(files))
	}
	return out
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestParametersAgainstPyTorch(t *testing.T) {
	for name, r := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			n, err := Build(r.architecture(t))
			if err != nil {
				t.Fatal(err)
			}
			type entry struct {
				Name  string
				Shape []int
			}
			var got, want []entry
			for _, p := range n.Parameters {
				shape := p.Shape
				if n.Architecture.Dim == 2 && len(shape) == 5 {
					shape = append(append([]int{}, shape[:2]...), shape[3:]...)
				}
				got = append(got, entry{p.Name, shape})
				if owner := n.Blocks[p.Block].Name; p.Name != owner+".weight" && p.Name != owner+".bias" {
					t.Errorf("%s belongs to block %s", p.Name, owner)
				}
			}
			for _, p := range r.Parameters {
				want = append(want, entry{p.Name, p.Shape})
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if got := n.ParameterCount(); got != r.ParameterCount {
				t.Errorf("%d parameters, want %d", got, r.ParameterCount)
			}
			if got := n.Architecture.FeatureMapSize(three(r.Patch, 1), true); got != r.FeatureMapSize {
				t.Errorf("feature map size %d, want %d", got, r.FeatureMapSize)
			}
		})
	}
}

func TestDeepSupervisionScalesAgainstPyTorch(t *testing.T) {
	for name, r := range recordings(t) {
		if r.Scales == nil {
			continue
		}
		n, err := Build(r.architecture(t))
		if err != nil {
			t.Fatal(err)
		}
		outputs, err := n.OutputShapes(three(r.Patch, 1))
		if err != nil {
			t.Fatal(err)
		}
		skip := 3 - n.Architecture.Dim
		if len(outputs) != len(r.Scales) {
			t.Errorf("%s: %d outputs, recorded %d", name, len(outputs), len(r.Scales))
			continue
		}
		for i, output := range outputs {
			for axis, length := range output[skip:] {
				if got := float64(length) / float64(r.Patch[axis]); got != r.Scales[i][axis] {
					t.Errorf("%s: output %d is %v of the patch along axis %d, want %v", name, i, got, axis, r.Scales[i][axis])
				}
				if want := int(r.Scales[i][axis] * float64(r.Patch[axis])); length != want {
					t.Errorf("%s: output %d has %d voxels along axis %d, want %d", name, i, length, axis, want)
				}
			}
		}
	}
}

func TestDeepSupervisionWeightsAgainstNnUNet(t *testing.T) {
	var want map[string][]float64
	readJSON(t, "testdata/ds_weights.json", &want)
	for n := 2; n <= 7; n++ {
		got, want := DeepSupervisionWeights(n), want[string(rune('0'+n))]
		if len(got) != n || len(want) != n {
			t.Fatalf("%d weights for %d outputs, recorded %d", len(got), n, len(want))
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-15 {
				t.Errorf("n=%d: weight %d is %v, want %v", n, i, got[i], want[i])
			}
		}
	}
	if d := cmp.Diff([]float64{1}, DeepSupervisionWeights(1)); d != "" {
		t.Error("a single output keeps its whole weight, where nnU-Net divides 0 by 0:", d)
	}
}
