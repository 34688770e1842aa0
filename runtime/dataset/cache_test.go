package dataset

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
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
