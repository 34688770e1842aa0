package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/runtime/accelerator"
)

// TestSettings refuses to mix figures of two settings.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpu.json")
	about := func(s setting) error {
		f, err := openFigures(path)
		if err != nil {
			t.Fatal(err)
		}
		return f.about(s)
	}
	first := setting{Device: accelerator.Device{Kind: "NVIDIA H200"}, Plugin: plugin{accelerator.Plugin{Path: "/a/x.so"}, 3, "jax-1"}}
	for range 2 {
		if err := about(first); err != nil {
			t.Fatal(err)
		}
	}
	for want, change := range map[string]func(*setting){
		"of NVIDIA H200, this is NVIDIA H100": func(s *setting) { s.Device.Kind = "NVIDIA H100" },
		"with -small they would be toys":      func(s *setting) { s.Small = true },
		"this is jax-2":                       func(s *setting) { s.Plugin.Wheel = "jax-2" },
		"(4 bytes":                            func(s *setting) { s.Plugin.Size = 4 },
	} {
		s := first
		change(&s)
		if err := about(s); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "choose another -work") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	moved := first
	moved.Plugin.Path = "/b/x.so"
	if err := about(moved); err != nil {
		t.Errorf("the same plug-in elsewhere: %v", err)
	}
}

// TestInstalled finds the wheel whose list has the plug-in, of several.
func TestInstalled(t *testing.T) {
	site := t.TempDir()
	path := filepath.Join(site, "jax_plugins", "xla_cuda13", "xla_cuda_plugin.so")
	for name, text := range map[string]string{
		path: "12345",
		filepath.Join(site, "jax_cuda12_pjrt-0.9.dist-info", "RECORD"):    "jax_plugins/xla_cuda12/xla_cuda_plugin.so,,\n",
		filepath.Join(site, "jax_cuda13_pjrt-0.11.2.dist-info", "RECORD"): "a,,\njax_plugins/xla_cuda13/xla_cuda_plugin.so,sha256=x,5\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := installed(accelerator.Plugin{Path: path})
	if err != nil || p.Size != 5 || p.Wheel != "jax_cuda13_pjrt-0.11.2" {
		t.Errorf("%+v, %v", p, err)
	}
	alone := filepath.Join(t.TempDir(), "x.so")
	if err := os.WriteFile(alone, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := installed(accelerator.Plugin{Path: alone}); err != nil || p.Wheel != "" {
		t.Errorf("%+v, %v", p, err)
	}
}
