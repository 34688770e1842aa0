package accelerator

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/engine"
)

// bare makes a machine without any plug-in, in a folder. Its system is below usr.
func bare(t *testing.T) string {
	dir := t.TempDir()
	before := system
	t.Cleanup(func() { system = before })
	system = []string{filepath.Join(dir, "usr")}
	for _, name := range []string{Variable, "VIRTUAL_ENV", "CONDA_PREFIX"} {
		t.Setenv(name, "")
	}
	t.Setenv("PATH", dir)
	t.Setenv("HOME", dir)
	return dir
}

// install puts a file where a wheel would.
func install(t *testing.T, root, library string) string {
	t.Helper()
	path := filepath.Join(root, "lib", "python3.12", "site-packages", library)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	dir := bare(t)
	if p, err := Find(); !errors.Is(err, ErrNoPlugin) {
		t.Fatalf("%v, %v in an empty folder", p, err)
	}
	shared := install(t, filepath.Join(dir, "usr"), wheels[1].library)
	if p, err := Find(); err != nil || p != (Plugin{shared, "the wheel jax-cuda12-pjrt"}) {
		t.Errorf("%v, %v", p, err)
	}
	old := install(t, filepath.Join(dir, ".local"), wheels[1].library)
	if p, err := Find(); err != nil || p != (Plugin{old, "the wheel jax-cuda12-pjrt"}) {
		t.Errorf("%v, %v", p, err)
	}
	venv := filepath.Join(dir, "venv")
	t.Setenv("VIRTUAL_ENV", venv)
	newer := install(t, venv, wheels[0].library)
	if p, err := Find(); err != nil || p != (Plugin{newer, "the wheel jax-cuda13-pjrt"}) {
		t.Errorf("%v, %v", p, err)
	}
	t.Setenv(Variable, old)
	if p, err := Find(); err != nil || p != (Plugin{old, Variable}) {
		t.Errorf("%v, %v", p, err)
	}
	t.Setenv(Variable, filepath.Join(dir, "none"))
	if _, err := Find(); err == nil || errors.Is(err, ErrNoPlugin) || !strings.Contains(err.Error(), "none") {
		t.Errorf("a plug-in that is named and missing: %v", err)
	}
	t.Setenv(Variable, dir)
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a plug-in that is a directory: %v", err)
	}
}

func TestToolkit(t *testing.T) {
	dir := bare(t)
	for _, name := range []string{"CUDA_HOME", "CUDA_PATH", "CUDA_DIR"} {
		t.Setenv(name, "")
	}
	path := install(t, dir, wheels[0].library)
	if got := toolkit(path); strings.HasPrefix(got, dir) {
		t.Errorf("%q without the wheels", got)
	}
	tools := func(root string, files ...string) string {
		for _, name := range files {
			file := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		return root
	}
	beside := filepath.Join(dir, "lib", "python3.12", "site-packages", "nvidia", "cu13")
	tools(beside, "lib/libcudart.so.13", assembler) // not all of it
	own := tools(filepath.Join(dir, "cuda"), assembler, deviceLibrary)
	t.Setenv("CUDA_HOME", own)
	if got := toolkit(path); got != own {
		t.Errorf("%q, want %q", got, own)
	}
	tools(beside, deviceLibrary)
	if got := toolkit(path); got != beside {
		t.Errorf("%q, want %q", got, beside)
	}
	before := libraries(path)
	tools(filepath.Join(filepath.Dir(beside), "cudnn"), "lib/libcudnn.so.9")
	if after := libraries(path); before != "" || !strings.HasPrefix(after, "libcudnn.so.9 ") {
		t.Errorf("libraries %q, then %q", before, after)
	}
}

func TestPrecision(t *testing.T) {
	for capability, want := range map[string]engine.Precision{"": engine.FP32, "6.1": engine.FP32, "7.5": engine.FP16, "8.0": engine.BF16, "10.3": engine.BF16} {
		if got := (Device{Capability: capability}).Precision(); got != want {
			t.Errorf("%q: %s, want %s", capability, got, want)
		}
	}
}

var (
	hopper = Device{Index: 0, Platform: "cuda", Kind: "NVIDIA H200", Capability: "9.0", Memory: 141e9}
	second = Device{Index: 1, Platform: "cuda", Kind: "NVIDIA H200", Capability: "9.0", Memory: 141e9}
	turing = Device{Index: 1, Platform: "cuda", Kind: "NVIDIA T4", Capability: "7.5", Memory: 16e9}
	pascal = Device{Index: 1, Platform: "cuda", Kind: "Tesla P100", Capability: "6.0", Memory: 16e9}
	host   = Device{Platform: "cpu", Kind: "cpu"}
)

func TestChoose(t *testing.T) {
	dir := bare(t)
	install(t, filepath.Join(dir, ".local"), wheels[0].library)
	other := install(t, dir, wheels[0].library)
	broken := errors.New("no driver")
	for name, c := range map[string]struct {
		wish    Wish
		there   []Device
		err     error
		devices int
		in      engine.Precision
		why     string // or the error's text
		fails   bool
		named   bool // the plug-in is named by hand
	}{
		"auto takes a GPU":            {wish: Wish{Engine: plan.Auto}, there: []Device{hopper, second}, devices: 2, in: engine.BF16},
		"one of two":                  {wish: Wish{Engine: plan.Auto, Devices: []int{1}}, there: []Device{hopper, second}, devices: 1, in: engine.BF16},
		"a precision that is asked":   {wish: Wish{Engine: plan.XLA, Precision: "fp32"}, there: []Device{hopper}, devices: 1, in: engine.FP32},
		"no such device":              {wish: Wish{Engine: plan.Auto, Devices: []int{2}}, there: []Device{hopper}, fails: true, why: "there is no device 2; there are cuda 0: NVIDIA H200, 141 GB"},
		"auto leaves a host's device": {wish: Wish{Engine: plan.Auto}, there: []Device{host}, in: engine.FP32},
		"xla takes it":                {wish: Wish{Engine: plan.XLA}, there: []Device{host}, devices: 1, in: engine.FP32},
		"auto without a driver":       {wish: Wish{Engine: plan.Auto}, err: broken, in: engine.FP32, why: "no driver"},
		"auto with a plug-in named":   {wish: Wish{Engine: plan.Auto}, err: broken, named: true, fails: true, why: "RUNSPEC_PJRT is set, and no driver; have it name"},
		"its host's device":           {wish: Wish{Engine: plan.Auto}, there: []Device{host}, named: true, in: engine.FP32},
		"cpu with it":                 {wish: Wish{Engine: plan.CPU}, err: broken, named: true, in: engine.FP32},
		"what two GPUs have":          {wish: Wish{Engine: plan.Auto}, there: []Device{hopper, turing}, devices: 2, in: engine.FP16},
		"what all must have":          {wish: Wish{Engine: plan.Auto, Precision: "bf16"}, there: []Device{hopper, turing}, fails: true, why: "training.precision is bf16, which cuda 1: NVIDIA T4, 16 GB lacks: it computes in fp16"},
		"what the last one has":       {wish: Wish{Engine: plan.Auto, Precision: "bf16"}, there: []Device{turing, pascal}, fails: true, why: "T4, 16 GB lacks: it computes in fp16; choose others by --devices, or say --set training.precision=fp32"},
		"a named one without devices": {wish: Wish{Engine: plan.Auto}, named: true, fails: true, why: "has no device"},
		"an idle one without devices": {wish: Wish{Engine: plan.Auto}, in: engine.FP32, why: "has no device"},
		"what the chosen one has":     {wish: Wish{Engine: plan.Auto, Precision: "bf16", Devices: []int{0}}, there: []Device{hopper, turing}, devices: 1, in: engine.BF16},
		"less than both have":         {wish: Wish{Engine: plan.Auto, Precision: "fp32"}, there: []Device{hopper, turing}, devices: 2, in: engine.FP32},
		"what a host may have":        {wish: Wish{Engine: plan.XLA, Precision: "bf16"}, there: []Device{host}, devices: 1, in: engine.BF16},
		"xla without a driver":        {wish: Wish{Engine: plan.XLA}, err: broken, fails: true, why: "no driver"},
		"cpu":                         {wish: Wish{Engine: plan.CPU}, there: []Device{hopper}, in: engine.FP32},
		"cpu in bf16":                 {wish: Wish{Engine: plan.CPU, Precision: "bf16"}, fails: true, why: "training.precision is bf16"},
		"a device twice":              {wish: Wish{Engine: plan.Auto, Devices: []int{0, 0}}, there: []Device{hopper}, fails: true, why: "names device 0 twice"},
		"cpu with devices":            {wish: Wish{Engine: plan.CPU, Devices: []int{0}}, fails: true, why: "--devices"},
		"no device at all":            {wish: Wish{Engine: plan.XLA}, fails: true, why: "no device"},
	} {
		t.Setenv(Variable, map[bool]string{true: other}[c.named])
		got, err := Choose(c.wish, func(string) ([]Device, error) { return c.there, c.err })
		told := got.Why
		if err != nil {
			told = err.Error()
		}
		if c.fails != (err != nil) || len(got.Devices) != c.devices || !strings.Contains(told, c.why) || c.why == "" && told != "" || !c.fails && got.Precision != c.in {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	if got, err := Numbers("1, 0"); err != nil || !slices.Equal(got, []int{1, 0}) {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		"a": `such as 0,1, and "a" is none`, "": `and "" is none`, "0,-1": `and "-1" is none`, "0,1,0": "names device 0 twice",
	} {
		if _, err := Numbers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAsk(t *testing.T) {
	dir := t.TempDir()
	script := func(text string) []string {
		path := filepath.Join(dir, "ask")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	got, err := Ask(context.Background(), script(`echo '[{"plugin": "'$1'", "index": 3, "platform": "cuda", "kind": "x"}]'`), "p.so")
	if err != nil || len(got) != 1 || got[0].Plugin != "p.so" || got[0].Index != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Ask(context.Background(), script("echo first >&2; echo the driver is too old >&2; kill -SEGV $$"), "p.so"); err == nil || !strings.Contains(err.Error(), "the driver is too old") {
		t.Errorf("a plug-in that ends its process: %v", err)
	}
}

func TestDriver(t *testing.T) {
	const text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@host)\nGCC version:  gcc version 11.4.0"
	if got := driverVersion(text); got != "580.65.06" {
		t.Errorf("%q", got)
	}
	if got := driverVersion("nothing"); got != "" {
		t.Errorf("%q", got)
	}
}
