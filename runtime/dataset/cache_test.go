package dataset

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"runspec/compiler/nnunet"
)

// phantomSet writes a small data set and opens it.
func phantomSet(t *testing.T, cases int) *Raw {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "set")
	if err := WritePhantom(context.Background(), dir, smallPhantom(cases, 2)); err != nil {
		t.Fatal(err)
	}
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func cached(t *testing.T, k Cache) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(k.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestCacheGivesWhatPreprocessGives(t *testing.T) {
	ctx, raw := context.Background(), phantomSet(t, 4)
	s, conf := conf3d(1.7, 1.1, 1.1)
	none, err := Cache{}.Load(ctx, raw, s, conf, 1)
	if err != nil {
		t.Fatal(err)
	}
	k := Cache{Dir: filepath.Join(t.TempDir(), "new", "cache")}
	calls := 0
	if err := k.Prepare(ctx, raw, s, conf, 2, func(done, total int) { calls++ }); err != nil || calls != 4 {
		t.Fatal(calls, err)
	}
	files := cached(t, k)
	if len(files) != 4 {
		t.Fatalf("files %v", files)
	}
	before, _ := os.Stat(files[0])
	kept, err := k.Load(ctx, raw, s, conf, 3)
	if err != nil || !reflect.DeepEqual(kept, none) {
		t.Fatal("the cache gives other cases than preprocessing", err)
	}
	if after, _ := os.Stat(files[0]); !os.SameFile(before, after) {
		t.Error("a sound file was written again")
	}
}

func TestCacheReplacesDamage(t *testing.T) {
	raw := phantomSet(t, 1)
	s, conf := conf3d(2, 1, 1)
	k := Cache{Dir: t.TempDir()}
	want, err := k.Case(raw.Cases[0], raw.Description, s, conf)
	if err != nil {
		t.Fatal(err)
	}
	path := cached(t, k)[0]
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), sound...)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"flipped": flipped, "cut": sound[:len(sound)-7], "empty": nil, "magic": sound[:20]} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := k.Case(raw.Cases[0], raw.Description, s, conf)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another case, %v", name, err)
		}
		if again, _ := os.ReadFile(path); string(again) != string(sound) {
			t.Errorf("%s: the file was not repaired", name)
		}
	}
}

// The key follows meaning: what changes the case changes the key, what does not
// change it does not.
func TestCacheKey(t *testing.T) {
	raw := phantomSet(t, 2)
	c, d := raw.Cases[0], raw.Description
	s, conf := conf3d(2, 1, 1)
	key := func(c RawCase, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration) string {
		t.Helper()
		out, err := caseKey(c, d, s, conf)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	base := key(c, d, s, conf)
	same := conf
	same.Batch, same.Patch, same.Name = 7, []int{1, 2, 3}, "other"
	foreground := s
	foreground.Foreground = []nnunet.Intensity{{Mean: 3}}
	if key(c, d, s, same) != base || key(c, d, foreground, conf) != base {
		t.Error("the key depends on what the case does not depend on")
	}
	ct := conf
	ct.Normalisation = []string{"CTNormalization"}
	spacing, mask, transposed, labels := conf, conf, s, d
	spacing.Spacing = []float64{2, 1, 1.5}
	mask.UseMask = []bool{true}
	transposed.TransposeForward = [3]int{2, 0, 1}
	labels.Labels = labels.Labels[:2]
	other := raw.Cases[1]
	other.ID = c.ID
	seen := map[string]int{base: -1}
	for i, k := range []string{key(c, d, s, ct), key(c, d, foreground, ct), key(c, d, s, spacing), key(c, d, s, mask),
		key(c, d, transposed, conf), key(c, labels, s, conf), key(other, d, s, conf), key(RawCase{ID: c.ID, Images: c.Images}, d, s, conf)} {
		if j, ok := seen[k]; ok {
			t.Errorf("change %d has the key of %d", i, j)
		}
		seen[k] = i
	}
}

func TestCacheCannotWrite(t *testing.T) {
	raw := phantomSet(t, 1)
	s, conf := conf3d(2, 1, 1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Cache{Dir: filepath.Join(file, "cache")}.Load(context.Background(), raw, s, conf, 1)
	wantError(t, err, file, "cache folder")
}

func TestRawDigest(t *testing.T) {
	ctx := context.Background()
	a, b := phantomSet(t, 2), phantomSet(t, 2)
	one, err := a.Digest(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := b.Digest(ctx, 2); err != nil || one != two {
		t.Error("equal files have different digests", err)
	}
	text, err := os.ReadFile(b.Cases[1].Label)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Cases[0].Label, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if two, _ := b.Digest(ctx, 2); one == two {
		t.Error("other files have the same digest")
	}
	os.Remove(b.Cases[0].Label)
	_, err = b.Digest(ctx, 2)
	wantError(t, err, b.Cases[0].Label, "restore")
}

// Load keeps no case in memory: its arrays are the cache's files, which nobody
// writes to by them.
func TestLoadedCasesStayInTheirFiles(t *testing.T) {
	ctx, raw := context.Background(), phantomSet(t, 6)
	s, conf := conf3d(0.4, 0.4, 0.4)
	k := Cache{Dir: t.TempDir()}
	if err := k.Prepare(ctx, raw, s, conf, 1, nil); err != nil {
		t.Fatal(err)
	}
	before := heap()
	cases, err := k.Load(ctx, raw, s, conf, 1)
	if err != nil {
		t.Fatal(err)
	}
	held, size := heap()-before, 0
	for _, c := range cases {
		size += 4*len(c.Data) + 2*len(c.Seg)
	}
	if size < 1<<20 || held > size/10 {
		t.Errorf("%d bytes of cases hold %d bytes of memory", size, held)
	}
	first := cases[0].Data[0]
	cases[0].Data[0] = first + 1
	again, err := k.Load(ctx, raw, s, conf, 1)
	if err != nil || again[0].Data[0] != first {
		t.Errorf("after a change in memory the file has %v, want %v (%v)", again[0].Data[0], first, err)
	}
}

// heap is the memory in use, in bytes.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestView(t *testing.T) {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(i)
	}
	for from := range 4 { // most are not aligned
		at := b[from:]
		for i, v := range view[int32](at, 5) {
			if want := int32(binary.LittleEndian.Uint32(at[4*i:])); v != want {
				t.Errorf("from byte %d: number %d is %x, want %x", from, i, v, want)
			}
		}
	}
	if view[int16](nil, 0) != nil {
		t.Error("no numbers are not nil")
	}
}
