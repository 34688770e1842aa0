package hlo

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// read reads a program that bench/hlo -keep has written: testdata/*.mlir, compiled
// for an H200 by jax-cuda13-pjrt 0.11.2.
func read(t *testing.T, name string) *Module {
	t.Helper()
	code, err := os.ReadFile("testdata/" + name + ".hlo.pb")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(code, "hlo_with_config")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestForms finds the three kinds of convolution, the bytes of each kernel, and
// the float32 tensor that the program has for it.
func TestForms(t *testing.T) {
	m := read(t, "forms")
	var kinds []string
	for _, c := range m.Convolutions() {
		kinds = append(kinds, c.Kind)
		if c.Labels != "b012f_o012i->b012f" {
			t.Errorf("%s has the axes %s", c.Name, c.Labels)
		}
		if !slices.Equal(c.Window, []int64{3, 3, 3}) {
			t.Errorf("%s has the window %v", c.Name, c.Window)
		}
	}
	if want := []string{"forward", "backward-input", "backward-filter"}; !slices.Equal(kinds, want) {
		t.Errorf("convolutions %v, want %v", kinds, want)
	}
	const x, y, w = 2 * 512 * 16 * 2, 2 * 512 * 32 * 2, 32 * 27 * 16 * 2 // bytes
	if got, want := m.Bytes(), int64(3*(x+y+w)+y+2*y); got != want {
		t.Errorf("%d bytes moved, want %d", got, want)
	}
	if list := m.Relayouts([]Size{{2 * 512 * 16, 16}, {2 * 512 * 32, 32}}); len(list) != 0 {
		t.Errorf("%d layouts are changed, first by %s", len(list), list[0].Name)
	}
	wide := m.AtRest("f32", []Size{{2 * 512 * 32, 32}})
	if len(wide) != 1 || wide[0].Shape.String() != "f32[2,8,8,8,32]{4,3,2,1,0}" {
		t.Errorf("float32 between kernels: %v, want the squares", wide)
	}
	if list := m.AtRest("f32", []Size{{2 * 512 * 32, 16}, {2 * 512 * 16, 32}}); len(list) != 0 {
		t.Errorf("tensors of other sizes are found: %v", list)
	}
}

// TestFaults finds what a step must not have.
func TestFaults(t *testing.T) {
	m := read(t, "faults")
	list := m.Relayouts([]Size{{2 * 512 * 16, 16}})
	if len(list) != 1 || list[0].Shape.String() != "bf16[2,8,8,8,16]{4,3,2,1,0}" {
		t.Errorf("layouts changed: %v, want one", list)
	}
	if all := m.Relayouts([]Size{{2 * 512 * 16, 16}, {32 * 20 * 24 * 20 * 2, 2}}); len(all) != 2 {
		t.Errorf("%d layouts of two sizes are changed, want 2", len(all))
	}
	c := m.Convolutions()
	if len(c) != 1 || c[0].Kind != "" || slices.Max(c[0].Window) != 24 {
		t.Fatalf("convolutions %v, want one of no kind, with a window of 20x24x20", c)
	}
}

// TestMoves tells a transpose that changes the order in memory from one that does
// not.
func TestMoves(t *testing.T) {
	in := &Instruction{Shape: Shape{Type: "bf16", Dims: []int64{2, 3, 1, 5}, MinorToMajor: []int64{3, 2, 1, 0}}}
	for _, x := range []struct {
		opcode string
		dims   []int64
		perm   []int64
		layout []int64
		want   bool
	}{
		{"transpose", []int64{2, 5, 1, 3}, []int64{0, 3, 2, 1}, []int64{3, 2, 1, 0}, true},
		{"transpose", []int64{2, 5, 1, 3}, []int64{0, 3, 2, 1}, []int64{1, 2, 3, 0}, false}, // as it lay
		{"transpose", []int64{2, 1, 3, 5}, []int64{0, 2, 1, 3}, []int64{3, 2, 1, 0}, false}, // an axis of one
		{"copy", []int64{2, 3, 1, 5}, nil, []int64{3, 2, 1, 0}, false},
		{"copy", []int64{2, 3, 1, 5}, nil, []int64{1, 2, 3, 0}, true},
		{"add", []int64{2, 3, 1, 5}, nil, []int64{1, 2, 3, 0}, false},
	} {
		n := &Instruction{Opcode: x.opcode, Operands: []*Instruction{in}, Permutation: x.perm, Shape: Shape{Type: "bf16", Dims: x.dims, MinorToMajor: x.layout}}
		if got := n.moves(); got != x.want {
			t.Errorf("%s %v to layout %v: %v, want %v", x.opcode, x.perm, x.layout, got, x.want)
		}
	}
}

// TestFormats reads a module without its configuration, and refuses what is none.
func TestFormats(t *testing.T) {
	code, err := os.ReadFile("testdata/forms.hlo.pb")
	if err != nil {
		t.Fatal(err)
	}
	var inner []byte
	if err := fields(code, func(x field) error {
		if x.tag == 1 {
			inner = x.bytes
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m, err := Read(inner, "hlo")
	if err != nil || m.Bytes() != read(t, "forms").Bytes() {
		t.Errorf("the module alone: error %v", err)
	}
	if _, err := Read(code, "mlir"); err == nil || !strings.Contains(err.Error(), `"mlir"`) {
		t.Errorf("MLIR is read with error %v", err)
	}
	for n := range inner { // a part of it is no module, and nothing to panic at
		if m, err := Read(inner[:n], "hlo"); err == nil && m.Entry.Root == nil {
			t.Fatalf("the first %d bytes are taken for a module without a result", n)
		}
	}
}

// FuzzRead wants an error, not a panic, for whatever bytes.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"forms", "faults"} {
		code, err := os.ReadFile("testdata/" + name + ".hlo.pb")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		m, err := Read(code, "hlo_with_config")
		if err != nil {
			return
		}
		m.Bytes()
		m.Convolutions()
		m.Relayouts([]Size{{1024, 16}})
		m.AtRest("f32", []Size{{1024, 16}})
	})
}
