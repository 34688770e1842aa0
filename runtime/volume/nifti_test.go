package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// sample describes a NIfTI file that the test lays out byte by byte.
type sample struct {
	version      int // 1 or 2
	order        binary.ByteOrder
	kind         kind
	dim          []int64
	pixdim       [8]float64
	slope, inter float64
	units        byte
	qform, sform int
	quatern      [3]float64
	qoffset      [3]float64
	srow         [3][4]float64
	magic        string
	values       []float64
}

// plain is a 4x3x2 (x, y, z) image of the values 0, 1, 2, ...
func plain() sample {
	s := sample{version: 1, order: binary.LittleEndian, kind: kindInt16, dim: []int64{4, 3, 2},
		pixdim: [8]float64{1, 1.5, 2, 3, 1, 1, 1, 1}, slope: 1, values: make([]float64, 24)}
	for i := range s.values {
		s.values[i] = float64(i)
	}
	return s
}

func (s sample) bytes() []byte {
	size := size1
	if s.version == 2 {
		size = size2
	}
	offset := size + 4
	b := make([]byte, offset)
	i16 := func(at, v int) { s.order.PutUint16(b[at:], uint16(v)) }
	i32 := func(at, v int) { s.order.PutUint32(b[at:], uint32(v)) }
	i64 := func(at int, v int64) { s.order.PutUint64(b[at:], uint64(v)) }
	f32 := func(at int, v float64) { s.order.PutUint32(b[at:], math.Float32bits(float32(v))) }
	f64 := func(at int, v float64) { s.order.PutUint64(b[at:], math.Float64bits(v)) }
	dim := append([]int64{int64(len(s.dim))}, s.dim...)
	i32(0, size)
	if s.version == 1 {
		copy(b[344:], "n+1\x00")
		copy(b[344:], s.magic)
		for i, d := range dim {
			i16(40+2*i, int(d))
		}
		i16(70, int(s.kind))
		for i, p := range s.pixdim {
			f32(76+4*i, p)
		}
		f32(108, float64(offset))
		f32(112, s.slope)
		f32(116, s.inter)
		b[123] = s.units
		i16(252, s.qform)
		i16(254, s.sform)
		for i := range 3 {
			f32(256+4*i, s.quatern[i])
			f32(268+4*i, s.qoffset[i])
			for j := range 4 {
				f32(280+16*i+4*j, s.srow[i][j])
			}
		}
	} else {
		copy(b[4:], "n+2\x00\r\n\x1a\n")
		copy(b[4:], s.magic)
		for i, d := range dim {
			i64(16+8*i, d)
		}
		i16(12, int(s.kind))
		for i, p := range s.pixdim {
			f64(104+8*i, p)
		}
		i64(168, int64(offset))
		f64(176, s.slope)
		f64(184, s.inter)
		i32(500, int(s.units))
		i32(344, s.qform)
		i32(348, s.sform)
		for i := range 3 {
			f64(352+8*i, s.quatern[i])
			f64(376+8*i, s.qoffset[i])
			for j := range 4 {
				f64(400+32*i+8*j, s.srow[i][j])
			}
		}
	}
	for _, v := range s.values {
		b = s.value(b, v)
	}
	return b
}

func (s sample) value(b []byte, v float64) []byte {
	order := s.order.(binary.AppendByteOrder)
	switch s.kind {
	case kindUint8:
		return append(b, uint8(v))
	case kindInt8:
		return append(b, uint8(int8(v)))
	case kindInt16:
		return order.AppendUint16(b, uint16(int16(v)))
	case kindUint16:
		return order.AppendUint16(b, uint16(v))
	case kindInt32:
		return order.AppendUint32(b, uint32(int32(v)))
	case kindUint32:
		return order.AppendUint32(b, uint32(v))
	case kindInt64:
		return order.AppendUint64(b, uint64(int64(v)))
	case kindUint64:
		return order.AppendUint64(b, uint64(v))
	case kindFloat32:
		return order.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return order.AppendUint64(b, math.Float64bits(v))
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// readHeader reads only where the voxels lie and how many channels there are.
func readHeader(path string) (Grid, int, error) {
	f, err := open(path)
	if err != nil {
		return Grid{}, 0, &fileError{path, err}
	}
	defer f.Close()
	return f.head.grid, int(f.head.shape[0]), nil
}

// put writes a file into a fresh folder.
func put(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func float32s(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

func TestReadEveryLayout(t *testing.T) {
	extremes := map[kind][2]float64{
		kindUint8: {0, 255}, kindInt8: {-128, 127}, kindInt16: {-32768, 32767}, kindUint16: {0, 65535},
		kindInt32: {math.MinInt32, math.MaxInt32}, kindUint32: {0, math.MaxUint32},
		kindInt64: {-1 << 40, 1 << 40}, kindUint64: {0, 1 << 63}, kindFloat32: {-1.5, 2.25}, kindFloat64: {-1.5, 2.25},
	}
	for k, ends := range extremes {
		for _, version := range []int{1, 2} {
			for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
				s := plain()
				s.kind, s.version, s.order = k, version, order
				s.values[3], s.values[23] = ends[0], ends[1]
				want := float32s(s.values)
				for name, b := range map[string][]byte{"a.nii": s.bytes(), "a.nii.gz": zipped(s.bytes()), "wrongly-named.nii": zipped(s.bytes())} {
					im, err := ReadImage(put(t, name, b))
					if err != nil {
						t.Fatalf("datatype %d, NIfTI-%d, %v: %v", k, version, order, err)
					}
					if !slices.Equal(im.Data, want) || im.Channels != 1 {
						t.Errorf("datatype %d, NIfTI-%d, %v: %v", k, version, order, im.Data)
					}
					if im.Shape != [3]int{2, 3, 4} || im.Spacing != [3]float64{3, 2, 1.5} {
						t.Errorf("NIfTI-%d, %v: grid %v", version, order, im.Grid)
					}
				}
			}
		}
	}
}

func TestReadScaling(t *testing.T) {
	for _, c := range []struct{ slope, inter, want float64 }{
		{0.5, 10, 10.5}, {0, 10, 1}, {math.NaN(), math.NaN(), 1}, {2, math.NaN(), 2}, {-1, 0, -1},
	} {
		s := plain()
		s.slope, s.inter = c.slope, c.inter
		im, err := ReadImage(put(t, "a.nii", s.bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if im.Data[1] != float32(c.want) {
			t.Errorf("slope %v, intercept %v: 1 becomes %v, want %v", c.slope, c.inter, im.Data[1], c.want)
		}
	}
}

func TestReadChannels(t *testing.T) {
	for _, c := range []struct {
		dim      []int64
		channels int
		shape    [3]int
	}{
		{[]int64{4, 3}, 1, [3]int{1, 3, 4}},
		{[]int64{4, 3, 1}, 1, [3]int{1, 3, 4}},
		{[]int64{4, 3, 2, 1}, 1, [3]int{2, 3, 4}},
		{[]int64{4, 3, 1, 2}, 2, [3]int{1, 3, 4}},
		{[]int64{2, 3, 2, 2}, 2, [3]int{2, 3, 2}},
		{[]int64{2, 3, 2, 1, 2}, 2, [3]int{2, 3, 2}},
		{[]int64{2, 3, 2, 2, 1, 1}, 2, [3]int{2, 3, 2}},
	} {
		s := plain()
		s.dim = c.dim
		path := put(t, "a.nii.gz", zipped(s.bytes()))
		im, err := ReadImage(path)
		if len(c.dim) == 2 { // half of the voxels are left over, which is no error
			if err != nil || im.Spacing != [3]float64{999 * 2, 2, 1.5} {
				t.Errorf("2-D: %v, %v", im, err)
			}
		}
		if err != nil || im.Channels != c.channels || im.Shape != c.shape {
			t.Fatalf("%v: %v", c.dim, err)
		}
		if last := im.Data[len(im.Data)-1]; last != float32(len(im.Data)-1) {
			t.Errorf("%v: the last voxel is %v", c.dim, last)
		}
		g, channels, err := readHeader(path)
		if err != nil || channels != c.channels || g != im.Grid {
			t.Errorf("%v: header gives %v, %d, %v", c.dim, g, channels, err)
		}
	}
}

func TestReadImagesJoins(t *testing.T) {
	a, b := plain(), plain()
	b.values = slices.Clone(a.values)
	slices.Reverse(b.values)
	pa, pb := put(t, "case_0000.nii", a.bytes()), put(t, "case_0001.nii", b.bytes())
	im, err := ReadImages([]string{pa, pb})
	if err != nil || im.Channels != 2 || !slices.Equal(im.Data, float32s(append(a.values, b.values...))) {
		t.Fatalf("%v, %v", im, err)
	}
	if im.Odd != nil {
		t.Errorf("nothing is odd: %q", im.Odd)
	}
	b.sform, b.srow = 1, [3][4]float64{{1.5, 0, 0, 2}, {0, 2, 0, 0}, {0, 0, 3, 0}}
	if im, err = ReadImages([]string{pa, put(t, "origin.nii", b.bytes())}); err != nil || len(im.Odd) != 1 || !strings.Contains(im.Odd[0], "origins") {
		t.Errorf("other origin: %v, %q", err, im.Odd)
	}
	b = plain()
	b.pixdim[1] = 1.6
	if _, err = ReadImages([]string{pa, put(t, "spacing.nii", b.bytes())}); err == nil || !strings.Contains(err.Error(), "spacings") {
		t.Errorf("other spacing: %v", err)
	}
	b = plain()
	b.dim = []int64{3, 4, 2}
	if _, err = ReadImages([]string{pa, put(t, "shape.nii", b.bytes())}); err == nil || !strings.Contains(err.Error(), "voxels") {
		t.Errorf("other shape: %v", err)
	}
	if _, err = ReadImages(nil); err == nil {
		t.Error("no files give no error")
	}
}

// The expectations were found with SimpleITK 2.5.7 on such files.
func TestReadAffine(t *testing.T) {
	sform := [3][4]float64{{0, -2, 0, 4}, {1.5, 0, 0, 5}, {0, 0, 3, 6}}
	sheared := sform
	sheared[0][0] = 0.5
	// 90° about z; the third axis is flipped by qfac
	quatern := [3]float64{0, 0, math.Sqrt(0.5)}
	qform := [3][4]float64{{0, -2, 0, 1}, {1.5, 0, 0, 2}, {0, 0, -3, 3}}
	for _, c := range []struct {
		name         string
		qcode, scode int
		srow, want   [3][4]float64
	}{
		{"neither", 0, 0, sform, [3][4]float64{{-1.5, 0, 0, 0}, {0, -2, 0, 0}, {0, 0, 3, 0}}},
		{"only qform", 1, 0, sform, qform},
		{"only sform", 0, 2, sform, sform},
		{"both, scanner sform", 2, 1, sform, sform},
		{"both, aligned sform", 1, 2, sform, qform},
		{"both, sheared sform", 1, 1, sheared, qform},
		{"only a sheared sform", 0, 1, sheared, sheared},
	} {
		for _, version := range []int{1, 2} {
			s := plain()
			s.version, s.qform, s.sform, s.srow = version, c.qcode, c.scode, c.srow
			s.quatern, s.qoffset, s.pixdim[0] = quatern, [3]float64{1, 2, 3}, -1
			g, _, err := readHeader(put(t, "a.nii", s.bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if d := apart(g.Affine, c.want); d > 1e-6 {
				t.Errorf("%s, NIfTI-%d: %v, want %v", c.name, version, g.Affine, c.want)
			}
		}
	}
}

func apart(a, b [3][4]float64) float64 {
	most := 0.0
	for i := range a {
		for j := range a[i] {
			most = max(most, math.Abs(a[i][j]-b[i][j]))
		}
	}
	return most
}

func TestReadUnits(t *testing.T) {
	for units, scale := range map[byte]float64{0: 1, 1: 1000, 2: 1, 3: 0.001, 2 + 8: 1} {
		s := plain()
		s.version, s.units, s.sform = 2, units, 1
		s.pixdim[2] = -2 // the sign means nothing
		s.srow = [3][4]float64{{1.5, 0, 0, 7}, {0, 2, 0, 8}, {0, 0, 3, 9}}
		g, _, err := readHeader(put(t, "a.nii", s.bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if g.Spacing != [3]float64{3 * scale, 2 * scale, 1.5 * scale} || g.Affine[2][3] != 9*scale {
			t.Errorf("units %d: %v", units, g)
		}
	}
}

func TestRefused(t *testing.T) {
	good := plain().bytes()
	packed := zipped(good)
	broken := slices.Clone(packed)
	broken[len(broken)-5] ^= 1 // the checksum
	badOffset := slices.Clone(good)
	binary.LittleEndian.PutUint32(badOffset[108:], math.Float32bits(100))
	change := func(f func(*sample)) []byte {
		s := plain()
		f(&s)
		return s.bytes()
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "cut short"},
		{"text", []byte("this is not an image at all"), "convert it to .nii.gz"},
		{"half a header", good[:200], "cut short"},
		{"short", good[:len(good)-1], "cut short or damaged"},
		{"short gzip", packed[:len(packed)-20], "cut short"},
		{"no gzip trailer", packed[:len(packed)-8], "cut short"},
		{"checksum", broken, "damaged"},
		{"gzip header only", packed[:6], "cut short"},
		{"analyze", change(func(s *sample) { s.magic = "\x00\x00\x00\x00" }), "Analyze"},
		{"pair", change(func(s *sample) { s.magic = "ni1\x00" }), ".img"},
		{"pair 2", change(func(s *sample) { s.version, s.magic = 2, "ni2\x00" }), ".img"},
		{"complex", change(func(s *sample) { s.kind = 32 }), "complex64"},
		{"colour", change(func(s *sample) { s.kind = 128 }), "RGB24"},
		{"odd datatype", change(func(s *sample) { s.kind = 77 }), "datatype is 77"},
		{"huge", change(func(s *sample) { s.version, s.dim = 2, []int64{1 << 20, 1 << 20, 1 << 20} }), "dimensions"},
		{"overflow", change(func(s *sample) { s.version, s.dim = 2, []int64{1 << 62, 4, 4} }), "dimensions"},
		{"large", change(func(s *sample) { s.dim = []int64{30000, 30000, 60} }), "claims"},
		{"large gzip", zipped(change(func(s *sample) { s.dim = []int64{30000, 30000, 60} })), "claims"},
		{"negative", change(func(s *sample) { s.dim[1] = -3 }), "dimensions"},
		{"zero", change(func(s *sample) { s.dim[1] = 0 }), "dimensions"},
		{"two channel axes", change(func(s *sample) { s.dim = []int64{2, 3, 1, 2, 2} }), "one axis only"},
		{"offset", badOffset, "not behind the header"},
		{"no spacing", change(func(s *sample) { s.pixdim[2] = 0 }), "spacing"},
		{"NaN spacing", change(func(s *sample) { s.pixdim[2] = math.NaN() }), "spacing"},
		{"NaN affine", change(func(s *sample) { s.sform, s.srow[0][0] = 1, math.NaN() }), "affine"},
		{"NaN", change(func(s *sample) { s.kind, s.values[4], s.values[9] = kindFloat32, math.NaN(), math.Inf(1) }), "2 of its 24 voxels"},
		{"too large for float32", change(func(s *sample) { s.kind, s.values[4] = kindFloat64, 1e300 }), "1 of its 24 voxels"},
	} {
		path := put(t, "case.nii.gz", c.b)
		_, err := ReadImage(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ReadImage(filepath.Join(t.TempDir(), "absent.nii")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := ReadImage(t.TempDir()); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
}

func TestReadLabels(t *testing.T) {
	s := plain()
	s.kind, s.values[0] = kindFloat64, -1
	l, err := ReadLabels(put(t, "a.nii", s.bytes()))
	if err != nil || l.Data[0] != -1 || l.Data[23] != 23 || l.Shape != [3]int{2, 3, 4} {
		t.Fatalf("%v, %v", l, err)
	}
	for want, f := range map[string]func(*sample){
		"whole numbers":  func(s *sample) { s.values[7] = 0.5 },
		"no label":       func(s *sample) { s.values[7] = math.NaN() },
		"renumber":       func(s *sample) { s.values[7] = 32768 },
		"-32768":         func(s *sample) { s.values[7] = -32769 },
		"has 2 channels": func(s *sample) { s.dim = []int64{2, 3, 2, 2} },
	} {
		s := plain()
		s.kind = kindFloat64
		f(&s)
		if _, err := ReadLabels(put(t, "label.nii", s.bytes())); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "label.nii") {
			t.Errorf("%q expected: %v", want, err)
		}
	}
}

func TestWriteAndRead(t *testing.T) {
	r := rotation([3]float64{0.1, -0.5, 0.3})
	g := Grid{Shape: [3]int{2, 3, 4}, Spacing: [3]float64{3, 2, 1.5}}
	for i := range 3 {
		g.Affine[i] = [4]float64{r[i][0] * 1.5, r[i][1] * 2, -r[i][2] * 3, float64(10 * i)}
	}
	dir := t.TempDir()
	for _, name := range []string{"a.nii", "a.nii.gz"} {
		for _, highest := range []int16{2, 255, 256} {
			l := &Labels{Grid: g, Data: make([]int16, 24)}
			l.Data[5] = highest
			path := filepath.Join(dir, fmt.Sprint(highest, name))
			if err := WriteLabels(path, l); err != nil {
				t.Fatal(err)
			}
			f, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if (f.head.kind == kindUint8) != (highest < 256) {
				t.Errorf("label %d is stored as datatype %d", highest, f.head.kind)
			}
			back, err := ReadLabels(path)
			if err != nil || !slices.Equal(back.Data, l.Data) || apart(back.Affine, g.Affine) > 1e-5 {
				t.Errorf("%s: %v, %v", path, back, err)
			}
		}
		im := &Image{Grid: g, Channels: 2, Data: ramp([3]int{4, 3, 4})}
		path := filepath.Join(dir, "image"+name)
		if err := WriteImage(path, im); err != nil {
			t.Fatal(err)
		}
		back, err := ReadImage(path)
		if err != nil || !slices.Equal(back.Data, im.Data) || back.Channels != 2 || back.Spacing != g.Spacing {
			t.Errorf("%s: %v, %v", path, back, err)
		}
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 8 {
		t.Errorf("%d files are left, want 8", len(entries))
	}
}

// The qform that is written must say the same as the sform.
func TestWriteQform(t *testing.T) {
	for _, q := range [][3]float64{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0.1, -0.5, 0.3}, {-0.7, 0.1, 0.7}} {
		for _, flip := range []float64{1, -1} {
			r := rotation(q)
			g := Grid{Shape: [3]int{1, 1, 1}, Spacing: [3]float64{3, 2, 1.5}}
			for i := range 3 {
				g.Affine[i] = [4]float64{r[i][0] * 1.5, r[i][1] * 2, flip * r[i][2] * 3, float64(i)}
			}
			b, err := newHeader(g, 1, kindUint8)
			if err != nil {
				t.Fatal(err)
			}
			binary.LittleEndian.PutUint16(b[254:], 0) // no sform
			h, err := parseHeader(b[:size1], size1, binary.LittleEndian)
			if err != nil || apart(h.grid.Affine, g.Affine) > 1e-5 {
				t.Errorf("quaternion %v, flip %v: %v, want %v (%v)", q, flip, h.grid.Affine, g.Affine, err)
			}
		}
	}
}

func TestWriteLongAxis(t *testing.T) {
	l := &Labels{Grid: Grid{Shape: [3]int{1, 1, 40000}, Spacing: [3]float64{1, 1, 1}}, Data: make([]int16, 40000)}
	l.Data[39999] = 7
	path := filepath.Join(t.TempDir(), "a.nii.gz")
	if err := WriteLabels(path, l); err != nil {
		t.Fatal(err)
	}
	back, err := ReadLabels(path)
	if err != nil || !slices.Equal(back.Data, l.Data) || back.Spacing != l.Spacing {
		t.Errorf("%v", err)
	}
}

func TestWriteRefused(t *testing.T) {
	g := Grid{Shape: [3]int{1, 1, 2}, Spacing: [3]float64{1, 1, 1}}
	dir := t.TempDir()
	bad := g
	bad.Spacing[1] = 0
	for _, err := range []error{
		WriteLabels(filepath.Join(dir, "a.nii"), &Labels{Grid: g, Data: make([]int16, 1)}),
		WriteImage(filepath.Join(dir, "a.nii"), &Image{Grid: g, Data: make([]float32, 2)}),
		WriteLabels(filepath.Join(dir, "a.nii"), &Labels{Grid: bad, Data: make([]int16, 2)}),
		WriteLabels(filepath.Join(dir, "no", "a.nii"), &Labels{Grid: g, Data: make([]int16, 2)}),
	} {
		if err == nil || !strings.Contains(err.Error(), "a.nii") {
			t.Errorf("%v", err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("a refused write leaves %v", entries[0].Name())
	}
}

// FuzzRead feeds any bytes: an error or an image whose size agrees, no panic,
// and no memory beyond what the bytes can hold.
func FuzzRead(f *testing.F) {
	s := plain()
	f.Add(s.bytes())
	f.Add(zipped(s.bytes()))
	s.version, s.order, s.kind, s.qform = 2, binary.BigEndian, kindFloat64, 1
	f.Add(s.bytes())
	s.dim = []int64{2, 3, 1, 1, 4}
	f.Add(s.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if r.head.values() < 1 || (!r.gzip && r.head.bytes() > int64(len(b))) {
			t.Fatalf("%v claims %d bytes of %d", r.head.shape, r.head.bytes(), len(b))
		}
		for _, s := range r.head.grid.Spacing {
			if !(s > 0) {
				t.Fatalf("spacing %v", r.head.grid.Spacing)
			}
		}
		n := int64(0)
		err = r.voxels(func(v []float64) error { n += int64(len(v)); return nil })
		if err == nil && n != r.head.values() {
			t.Fatalf("%d voxels of %v", n, r.head.shape)
		}
	})
}
