package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
)

// TestOnce measures what is there no second time, and what was lacking again.
func TestOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpu.json")
	open := func() *figures {
		f, err := openFigures(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	calls := 0
	measure := func() (Figure, error) {
		calls++
		if calls == 1 {
			return Figure{}, errors.New("no GPU")
		}
		return Figure{Values: map[string]float64{"ms": 3}}, nil
	}
	if _, err := open().once("step", measure); err == nil {
		t.Error("what is lacking is no error")
	}
	for range 2 {
		if f, err := open().once("step", measure); err != nil || f.Values["ms"] != 3 {
			t.Errorf("%v, %v", f, err)
		}
	}
	if calls != 2 {
		t.Errorf("it was measured %d times", calls)
	}
	f := open()
	if err := f.about(accelerator.Device{Kind: "NVIDIA H200"}, accelerator.Plugin{}); err != nil {
		t.Fatal(err)
	}
	if err := open().about(accelerator.Device{Kind: "NVIDIA H100"}, accelerator.Plugin{}); err == nil {
		t.Error("figures of two devices would be mixed")
	}
}

// TestReport counts the faster of two rivals, and tells what was not measured.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	f, err := openFigures(filepath.Join(dir, "gpu.json"))
	if err != nil {
		t.Fatal(err)
	}
	b := bench{work: dir, figures: f, device: accelerator.Device{Kind: "NVIDIA H200", Platform: "cuda"}}
	if err := b.report(""); err == nil {
		t.Error("a report of nothing")
	}
	if err := b.about(b.device, accelerator.Plugin{From: "the wheel"}); err != nil {
		t.Fatal(err)
	}
	for name, ms := range map[string]float64{"step/task04/ours": 4, "step/task04/pytorch-eager": 12, "step/task04/pytorch-compile": 10} {
		f.once(name, func() (Figure, error) { return Figure{Values: map[string]float64{"ms": ms}}, nil })
	}
	f.once("step/task04/groups", func() (Figure, error) {
		return b.add([]xla.Cost{{Op: engine.Normalise{}, Shape: []int{9, 40, 56, 40, 32}, In: [][]int{{9, 40, 56, 40, 32}}, Count: 2, Seconds: 1e-3, Bytes: 4.8e8}})
	})
	out := filepath.Join(dir, "DEVICE.md")
	if err := b.report(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# NVIDIA H200", "| training step, Task04 | 4 ms | 10 ms | 2.50 | 1.2 |",
		"| training step, BrainTumour | unmeasured | unmeasured | – | 1.2 |",
		"| norm 40×56×40 | 2.000 | 0.200 | 10 % |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestFLOPs counts each of a convolution's three forms: they multiply alike.
func TestFLOPs(t *testing.T) {
	x, w, y := []int{2, 8, 8, 8, 4}, []int{16, 4, 3, 3, 3}, []int{2, 4, 4, 4, 16}
	want := 2.0 * 2 * 4 * 4 * 4 * 16 * 4 * 27
	for _, c := range []xla.Cost{
		{Op: engine.Convolution{}, In: [][]int{x, w}, Shape: y},
		{Op: engine.ConvolutionInput{}, In: [][]int{y, w}, Shape: x},
		{Op: engine.ConvolutionWeight{}, In: [][]int{x, y}, Shape: w},
	} {
		if got := flops(c); math.Abs(got-want) > 0 {
			t.Errorf("%T: %g, want %g", c.Op, got, want)
		}
		if got := resolution(c); got != "8×8×8" {
			t.Errorf("%T: at %s", c.Op, got)
		}
	}
}

// TestPack reads the published plans and figures, and keeps toy networks divisible
// by their strides.
func TestPack(t *testing.T) {
	root := "../../../../../shared/reference/msd"
	if _, err := os.Stat(root); err != nil {
		t.Skip("../shared is not here: no published plans to shrink")
	}
	pack := t.TempDir()
	if err := os.CopyFS(filepath.Join(pack, "plans"), os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	f, err := (&bench{pack: pack}).published()
	if err != nil || f.Values["Dice"] < 0.85 || f.Values["s"] < 1000 {
		t.Errorf("published: %v, %v", f, err)
	}
	for _, s := range shapes {
		c, d, err := s.read(&bench{pack: pack, small: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := program(c, d); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}
