package exchange

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/train"
)

var onnxDir = flag.String("onnx", "", "folder to write networks to for check_onnx.py: each as ONNX, an image and our logits")

// TestONNX writes every network; with -onnx they are kept for check_onnx.py, which
// runs them in onnxruntime and compares.
func TestONNX(t *testing.T) {
	all := maps.Clone(architectures)
	all["sides"] = twoSides
	for name, change := range all {
		m := example(t, change)
		text, err := WriteONNX(m, m.Folds[0])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n, err := unet.Build(m.Configuration.Architecture)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(text)) < 4*n.ParameterCount() {
			t.Errorf("%s: %d bytes for %d parameters", name, len(text), n.ParameterCount())
		}
		if *onnxDir != "" {
			keepONNX(t, name, n, m, text)
		}
	}
}

func keepONNX(t *testing.T, name string, n unet.Network, m Model, text []byte) {
	t.Helper()
	patch := m.Configuration.Patch3()
	p, err := train.Build(n, train.GraphOptions{Batch: 1, Patch: patch, Loss: engine.Loss{Kind: engine.CE}, Optimizer: engine.Optimizer{Kind: engine.SGD}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := cpu.New(p, cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Restore(engine.State{Parameters: m.Folds[0].Parameters, Buffers: m.Folds[0].Buffers}); err != nil {
		t.Fatal(err)
	}
	image := engine.Tensor{Shape: []int{1, patch[0], patch[1], patch[2], 1}, Data: make([]float32, patch[0]*patch[1]*patch[2])}
	for i := range image.Data {
		image.Data[i] = float32(i%17)/8 - 1
	}
	logits, err := e.Predict(image)
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(map[string]any{"image": image, "logits": logits})
	if err == nil {
		err = os.WriteFile(filepath.Join(*onnxDir, name+".json"), record, 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(*onnxDir, name+".onnx"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
