package xla

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// TestTry has a plug-in multiply in each precision.
func TestTry(t *testing.T) {
	c := device(t)
	for _, p := range []engine.Precision{engine.FP32, engine.BF16, engine.FP16} {
		if err := Try(c, p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := Try(c, engine.FP32, pjrt.Flag{Name: "xla_no_such_flag", Value: "1"}); err == nil {
		t.Error("a plug-in that compiles nothing passes")
	}
}

// doubled is a program whose text changes with a number.
func doubled(by float64) string {
	l := &lowering{emitter: &emitter{}}
	return l.module("doubled", l.scaled(l.argument(f32, []int{2}), by))
}

// result of doubled on (1, 2).
func result(t *testing.T, c *pjrt.Client, x *pjrt.Executable) [2]float32 {
	t.Helper()
	in, err := pjrt.Upload(c, c.Devices[0], []float32{1, 2}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := x.Run([]*pjrt.Buffer{in})
	if err != nil {
		t.Fatal(err)
	}
	defer release(out)
	var got [2]float32
	if err := pjrt.Download(out[0], 1, got[:]); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestKept compiles a program once for several compilers, and anew where its file
// has changed: by a bit anywhere, by its end, or by another program's file.
func TestKept(t *testing.T) {
	client := device(t)
	c := compiler{client: client, folder: t.TempDir()}
	path := c.path(doubled(2))
	compiled := func(what string, module string, want float32) {
		t.Helper()
		x, err := c.compile(module)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer x.Close()
		if got := result(t, client, x); got != [2]float32{want, 2 * want} {
			t.Errorf("%s: %v", what, got)
		}
	}
	compiled("at first", doubled(2), 2)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := c.load(path)
	if kept == nil {
		t.Fatal("what was kept is not loaded")
	}
	kept.Close()
	compiled("another", doubled(3), 3)
	other, err := os.ReadFile(c.path(doubled(3)))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{
		"a bit in the middle": flipped(good, len(good)/2), "a bit of the sum": flipped(good, 3), "the last bit": flipped(good, len(good)-1),
		"half": good[:len(good)/2], "nothing": {},
	} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if x := c.load(path); x != nil {
			t.Errorf("%s: it is loaded", what)
		}
		compiled(what, doubled(2), 2)
		if now, err := os.ReadFile(path); err != nil || len(now) != len(good) {
			t.Errorf("%s: not written anew: %d bytes, %v", what, len(now), err)
		}
	}
	if err := os.WriteFile(path, other, 0o644); err != nil {
		t.Fatal(err)
	}
	if x := c.load(path); x != nil {
		t.Error("the file of another program is loaded")
	}
	c.libraries = "cuDNN 9.24"
	if c.path(doubled(2)) == path {
		t.Error("programs of other libraries have one file")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.folder = file // nothing can be kept there
	compiled("without a folder", doubled(2), 2)
}

func flipped(text []byte, at int) []byte {
	out := append([]byte{}, text...)
	out[at] ^= 1
	return out
}

// TestWithoutFusion compiles again, without fusion, where cuDNN cannot fuse, and
// nowhere else.
func TestWithoutFusion(t *testing.T) {
	for _, x := range []struct {
		first, second error
		calls         int
		fails         bool
	}{
		{nil, nil, 1, false},
		{errors.New("Autotuning failed for HLO: no valid config found"), nil, 2, false},
		{errors.New("Autotuner could not find any supported configs"), errors.New("still"), 2, true},
		{errors.New("invalid argument"), nil, 1, true},
	} {
		calls := 0
		_, err := withoutFusion(nil, func(flags []pjrt.Flag) (int, error) {
			calls++
			if calls == 1 {
				return 0, x.first
			}
			if len(flags) != 1 || flags[0].Name != "xla_disable_hlo_passes" {
				t.Errorf("flags %v", flags)
			}
			return 1, x.second
		})
		if calls != x.calls || (err != nil) != x.fails {
			t.Errorf("%v: %d calls, %v", x, calls, err)
		}
	}
}
