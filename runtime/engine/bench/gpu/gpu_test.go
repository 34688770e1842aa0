package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	once := func() (Figure, error) {
		f := open()
		err := f.once(t.Context(), "step", measure)
		return f.all.Figures["step"], err
	}
	if _, err := once(); err == nil {
		t.Error("what is lacking is no error")
	}
	for range 2 {
		if f, err := once(); err != nil || f.Values["ms"] != 3 {
			t.Errorf("%v, %v", f, err)
		}
	}
	if calls != 2 {
		t.Errorf("it was measured %d times", calls)
	}
}

// TestLeft begins no figure when the time is over or a signal has come, names it,
// and keeps nothing of one that a signal has cut short.
func TestLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpu.json")
	f, err := openFigures(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	never := func() (Figure, error) {
		t.Error("it was measured")
		return Figure{}, nil
	}
	f.until = time.Now().Add(-time.Second)
	if err := f.once(ctx, "late", never); err != nil {
		t.Error(err)
	}
	f.until = time.Now().Add(time.Hour)
	if err := f.once(ctx, "cut", func() (Figure, error) { cancel(); return Figure{}, errors.New("signal: terminated") }); err == nil {
		t.Error("what was cut short is no error")
	}
	if err := f.once(ctx, "after", never); err != nil {
		t.Error(err)
	}
	if !slices.Equal(f.left, []string{"late", "cut", "after"}) || len(f.all.Figures) > 0 {
		t.Errorf("left are %q, there are %v", f.left, f.all.Figures)
	}
}

// TestOrder leaves all figures of all parts, those of step in the order of their
// value.
func TestOrder(t *testing.T) {
	f, err := openFigures(filepath.Join(t.TempDir(), "gpu.json"))
	if err != nil {
		t.Fatal(err)
	}
	f.until = time.Now().Add(-time.Second)
	b := bench{figures: f}
	if err := b.measure(t.Context(), []string{"check", "step", "epoch", "predict", "train", "search"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"check/task04", "check/braintumour", "check/resencm",
		"step/task04/ours", "step/task04/pytorch-eager", "step/task04/pytorch-compile",
		"step/braintumour/ours", "step/braintumour/pytorch-eager", "step/braintumour/pytorch-compile",
		"step/resencm/ours", "step/resencm/pytorch-eager", "step/resencm/pytorch-compile",
		"step/task04/groups", "step/braintumour/groups", "step/resencm/groups",
		"epoch/task04/ours", "epoch/task04/nnunet-loading", "epoch/task04/nnunet-noloading",
		"predict/task04/ours", "predict/task04/nnunet",
		"train/task04/published", "train/task04/37", "train/task04/111", "search/task04",
	}
	if !slices.Equal(f.left, want) {
		t.Errorf("left are\n%q, want\n%q", f.left, want)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := b.measure(stopped, []string{"step"}); err == nil {
		t.Error("a bench that was stopped has ended well")
	}
}

// TestTimed does not count the first time, and gives up where something fails.
func TestTimed(t *testing.T) {
	calls := 0
	s, err := timed(3, func() error {
		if calls++; calls == 1 {
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
	if err != nil || calls != 4 || s > 0.05 {
		t.Errorf("%g s after %d calls, %v", s, calls, err)
	}
	if _, err := timed(3, func() error { return errors.New("no") }); err == nil {
		t.Error("a failure is no error")
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
	if err := b.about(setting{Device: b.device, Plugin: plugin{accelerator.Plugin{From: "the wheel"}, 5, "jax-1.2"}}); err != nil {
		t.Fatal(err)
	}
	for name, ms := range map[string]float64{"step/task04/ours": 4, "step/task04/pytorch-eager": 12, "step/task04/pytorch-compile": 10} {
		f.once(t.Context(), name, func() (Figure, error) { return Figure{Values: map[string]float64{"ms": ms}}, nil })
	}
	f.once(t.Context(), "step/task04/groups", func() (Figure, error) {
		return b.add([]xla.Cost{{Op: engine.Normalise{}, Shape: []int{9, 40, 56, 40, 32}, In: [][]int{{9, 40, 56, 40, 32}}, Count: 2, Seconds: 1e-3, Bytes: 4.8e8}})
	})
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	for name, figure := range f.all.Figures {
		figure.When, figure.Revision, at = at, "abc", at.Add(14*time.Hour)
		f.all.Figures[name] = figure
	}
	text := page(t, b)
	for _, want := range []string{
		"# NVIDIA H200\n", "of revision abc, 2026-11-26 to 2026-11-27; plug-in jax-1.2 (5 bytes, from the wheel). ", "| training step, Task04 | 4 ms | 10 ms | 2.50 | 1.2 |",
		"| training step, BrainTumour | unmeasured | unmeasured | – | 1.2 |",
		"| norm 40×56×40 | 2.000 | 0.200 | 10 % |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	f.all.Small = true
	if text := page(t, b); !strings.Contains(text, "# NVIDIA H200, toy sizes\n") || !strings.Contains(text, "A rehearsal") {
		t.Errorf("toys pass as real in\n%s", text)
	}
}

// page is the report as it is written to a file.
func page(t *testing.T, b bench) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "DEVICE.md")
	if err := b.report(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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

// TestDatasheets tells devices of one name's kind apart, and knows no others.
func TestDatasheets(t *testing.T) {
	cost := xla.Cost{Op: engine.Normalise{}, Shape: []int{1, 1, 1, 1, 1}, Count: 1, Seconds: 1, Bytes: 2e12}
	for kind, want := range map[string]float64{
		"NVIDIA H200": 1000 * 2 / 4.8, "NVIDIA H100 80GB HBM3": 1000 * 2 / 3.35, "NVIDIA H100 PCIe": 1000,
		"NVIDIA H100 80GB HBM3 MIG 1g.10gb": 0, "NVIDIA GH200 480GB": 0, "NVIDIA H200 NVL": 0, "cpu": 0,
	} {
		f, err := (&bench{device: accelerator.Device{Kind: kind}}).add([]xla.Cost{cost})
		got, known := f.Values["norm 1×1×1 limit"]
		if err != nil || known != (want > 0) || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %g ms, want %g; %v", kind, got, want, err)
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
