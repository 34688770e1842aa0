package train_test

import (
	"fmt"
	"testing"

	"runspec/compiler/grammar"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
	"runspec/runtime/train"
)

// TestDerivedConformance compares every executor with the logits that PyTorch
// recorded of two small networks of the authors' grammar, whose halves differ
// in norm and activation.
func TestDerivedConformance(t *testing.T) {
	for _, name := range []string{"small_conv", "small_res"} {
		t.Run(name, func(t *testing.T) {
			dir := "hnas/" + name
			var info struct {
				Tree string `json:"string_tree"`
				Tune struct {
					Rate float64 `json:"dropout_rate"`
					Base int     `json:"base_num_features"`
					Max  int     `json:"max_features"`
				} `json:"hp_config"`
			}
			golden.JSON(t, dir+"/info.json", &info)
			d, err := grammar.ParseTree(info.Tree)
			if err != nil {
				t.Fatal(err)
			}
			table := unet.Architecture{Dim: 3, InputChannels: 1, Classes: 3}
			for i := range 4 {
				s := unet.Stage{Features: min(info.Tune.Base<<i, info.Tune.Max), Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}}
				if i == 0 {
					s.Stride = [3]int{1, 1, 1}
				}
				table.Stages = append(table.Stages, s)
			}
			a, err := table.Derive(d, info.Tune.Rate)
			if err != nil {
				t.Fatal(err)
			}
			r := &recording{dir: dir}
			if r.network, err = unet.Build(a); err != nil {
				t.Fatal(err)
			}
			image := channelsLast(golden.NPY(t, dir+"/input.npy"))
			state := engine.State{Parameters: r.parameters(t, golden.Safetensors(t, dir+"/weights.safetensors"))}
			for _, e := range executors {
				t.Run(e.name, func(t *testing.T) {
					p, err := train.Build(r.network, train.GraphOptions{
						Batch: image.Shape[0], Patch: [3]int(image.Shape[1:4]), Loss: engine.Loss{Kind: engine.DiceCE}, Optimizer: sgd,
					})
					if err != nil {
						t.Fatal(err)
					}
					x, err := e.new(p)
					if err != nil {
						t.Fatal(err)
					}
					defer x.Close()
					if err := x.Restore(state); err != nil {
						t.Fatal(err)
					}
					all, err := x.(inspector).Logits(image, false)
					if err != nil {
						t.Fatal(err)
					}
					for i, got := range all {
						compareLogits(t, fmt.Sprint("output ", i), got, channelsLast(golden.NPY(t, fmt.Sprintf("%s/logits_eval_%d.npy", dir, i))))
					}
				})
			}
		})
	}
}
