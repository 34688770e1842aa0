// Package golden gives tests the reference numbers: arrays and tables that
// nnU-Net, PyTorch and others really produced. They lie in the folder shared
// beside the repository; a small subset is committed under testdata, so that
// the tests prove something without it too.
package golden

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Root is the repository's root: the folder of go.mod above the working directory.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}

// Shared returns a path inside the shared folder beside the repository, and
// skips the test where it is absent.
func Shared(t testing.TB, path string) string {
	t.Helper()
	p := filepath.Join(Root(t), "..", "shared", filepath.FromSlash(path))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("../shared/%s is not here; this test compares with it", path)
	}
	record(path)
	return p
}

// Path returns reference/nnunet/<path> in the shared folder, or else in the
// committed subset; the test is skipped where neither has it.
func Path(t testing.TB, path string) string {
	t.Helper()
	asked.Store(path, true)
	root := Root(t)
	for _, dir := range []string{
		filepath.Join(root, "..", "shared", "reference", "nnunet"),
		filepath.Join(root, "runtime", "internal", "golden", "testdata", "nnunet"),
	} {
		p := filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Stat(p); err == nil {
			record("reference/nnunet/" + path)
			return p
		}
	}
	t.Skipf("reference/nnunet/%s is neither in ../shared nor in testdata", path)
	return ""
}

// record adds a path below shared to the file that RUNSPEC_GOLDEN names, from which
// .ci/golden counts what was compared with.
func record(path string) {
	name := os.Getenv("RUNSPEC_GOLDEN")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return // a count is missing, no comparison
	}
	defer f.Close()
	fmt.Fprintln(f, path)
}

// JSON decodes reference/nnunet/<path> into v. NaN and Infinity, which Python
// writes, are read as null.
func JSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(Path(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		s := string(b)
		for _, word := range []string{"-Infinity", "Infinity", "NaN"} {
			s = strings.ReplaceAll(s, word, "null")
		}
		if err := json.Unmarshal([]byte(s), v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// Array is a recorded array in C order; integers and booleans are widened.
type Array struct {
	Shape []int
	Data  []float64
}

// Float32 gives the array's values as float32.
func (a Array) Float32() []float32 {
	out := make([]float32, len(a.Data))
	for i, v := range a.Data {
		out[i] = float32(v)
	}
	return out
}

// Int16 gives the array's values as int16.
func (a Array) Int16() []int16 {
	out := make([]int16, len(a.Data))
	for i, v := range a.Data {
		out[i] = int16(v)
	}
	return out
}

// NPY reads reference/nnunet/<path>, a little-endian C-ordered .npy file.
func NPY(t testing.TB, path string) Array {
	t.Helper()
	b, err := os.ReadFile(Path(t, path))
	if err != nil {
		t.Fatal(err)
	}
	a, err := parseNPY(b)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

func parseNPY(b []byte) (Array, error) {
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		return Array{}, fmt.Errorf("not a .npy file")
	}
	n, start := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] >= 2 {
		n, start = int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	head, body := string(b[start:start+n]), b[start+n:]
	if strings.Contains(head, "'fortran_order': True") {
		return Array{}, fmt.Errorf("Fortran order")
	}
	_, rest, _ := strings.Cut(head, "'descr': '")
	kind, _, _ := strings.Cut(rest, "'")
	_, rest, _ = strings.Cut(head, "'shape': (")
	dims, _, _ := strings.Cut(rest, ")")
	a := Array{}
	size := 1
	for _, d := range strings.Split(dims, ",") {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		v, err := strconv.Atoi(d)
		if err != nil {
			return Array{}, err
		}
		a.Shape = append(a.Shape, v)
		size *= v
	}
	var err error
	a.Data, err = widen(strings.TrimLeft(kind, "<|="), body, size)
	return a, err
}

// Tensor is one entry of a safetensors file.
type Tensor = Array

// Safetensors reads reference/nnunet/<path>.
func Safetensors(t testing.TB, path string) map[string]Tensor {
	t.Helper()
	b, err := os.ReadFile(Path(t, path))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var head map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	delete(raw, "__metadata__")
	clean, _ := json.Marshal(raw)
	if err := json.Unmarshal(clean, &head); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	kinds := map[string]string{"F32": "f4", "F64": "f8", "I64": "i8", "I32": "i4", "F16": "f2"}
	out := map[string]Tensor{}
	for name, e := range head {
		size := 1
		for _, d := range e.Shape {
			size *= d
		}
		data, err := widen(kinds[e.DType], b[8+int(n)+e.Offsets[0]:8+int(n)+e.Offsets[1]], size)
		if err != nil {
			t.Fatalf("%s: %s: %v", path, name, err)
		}
		out[name] = Tensor{Shape: e.Shape, Data: data}
	}
	return out
}

func widen(kind string, b []byte, n int) ([]float64, error) {
	width := map[string]int{"f8": 8, "f4": 4, "f2": 2, "i8": 8, "i4": 4, "i2": 2, "i1": 1, "u1": 1, "b1": 1, "u2": 2}[kind]
	if width == 0 {
		return nil, fmt.Errorf("dtype %q is not read", kind)
	}
	if len(b) < n*width {
		return nil, fmt.Errorf("%d values expected, %d bytes found", n, len(b))
	}
	out, le := make([]float64, n), binary.LittleEndian
	for i := range out {
		p := b[i*width:]
		switch kind {
		case "f8":
			out[i] = math.Float64frombits(le.Uint64(p))
		case "f4":
			out[i] = float64(math.Float32frombits(le.Uint32(p)))
		case "f2":
			out[i] = half(le.Uint16(p))
		case "i8":
			out[i] = float64(int64(le.Uint64(p)))
		case "i4":
			out[i] = float64(int32(le.Uint32(p)))
		case "i2":
			out[i] = float64(int16(le.Uint16(p)))
		case "u2":
			out[i] = float64(le.Uint16(p))
		case "i1":
			out[i] = float64(int8(p[0]))
		default:
			out[i] = float64(p[0])
		}
	}
	return out, nil
}

func half(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * frac / 1024 * math.Pow(2, -14)
	case 31:
		if frac == 0 {
			return sign * math.Inf(1)
		}
		return math.NaN()
	}
	return sign * (1 + frac/1024) * math.Pow(2, float64(exp-15))
}
