package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func splits(cases int) (string, error) { return Digest(cases) }

// locking is small with a data set of a size that a planner takes.
func locking() *Plan {
	p := small()
	d := &p.Datasets[0]
	d.Digest = "sha256:a"
	for range 4 {
		d.Fingerprint.Spacings = append(d.Fingerprint.Spacings, d.Fingerprint.Spacings[0])
		d.Fingerprint.ShapesAfterCrop = append(d.Fingerprint.ShapesAfterCrop, d.Fingerprint.ShapesAfterCrop[0])
	}
	return p
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.lock.json")
	var l Lock
	for _, name := range []string{"z", "small"} {
		p := locking()
		p.Name = name
		now, err := NewLocked(p, nil, splits)
		if err != nil {
			t.Fatal(err)
		}
		l.Put(now, "v1")
	}
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadLock(path)
	if err != nil || len(back.Experiments) != 2 || back.Experiments[0].Name != "small" {
		t.Fatalf("%+v, %v", back, err)
	}
	if err := back.Write(path); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(path); string(again) != string(first) {
		t.Errorf("written again:\n%s", again)
	}
	for i, line := range strings.Split(string(first), "\n") {
		if len(line) > 120 {
			t.Errorf("line %d has %d characters", i+1, len(line))
		}
	}
	data := back.Data(locking().Datasets[0].Source, "D")
	if data.Digest != "sha256:a" || data.Fingerprint == nil || len(data.Description.Labels) != 2 {
		t.Errorf("%+v", data)
	}
	other := locking().Datasets[0].Source
	other.Phantom.Noise++
	if data := back.Data(other, "D"); data.Fingerprint != nil {
		t.Error("another source has the fingerprint")
	}
}

// TestLockCheck: whatever changes is told, by its name.
func TestLockCheck(t *testing.T) {
	var l Lock
	was, err := NewLocked(locking(), nil, splits)
	if err != nil {
		t.Fatal(err)
	}
	l.Put(was, "v1")
	for want, change := range map[string]func(*Plan){
		"":                                     func(p *Plan) { p.Studies[0].First = 9 }, // of a run directory, not of the spec
		"plan":                                 func(p *Plan) { p.Report.Published = true },
		"plan,seed":                            func(p *Plan) { p.Seed = 2 },
		"plan,studies.s.seed":                  func(p *Plan) { p.Studies[0].Seed = 2 },
		"plan,studies.z":                       func(p *Plan) { p.Studies = append(p.Studies, Study{Name: "z", Planner: "Conv"}) },
		"plan,datasets.D.digest":               func(p *Plan) { p.Datasets[0].Digest = "sha256:b" },
		"plan,datasets.D.settings.Conv.digest": func(p *Plan) { p.Training.BaseFeatures = 4 },
		"plan,datasets.D.splits,datasets.D.fingerprint": func(p *Plan) {
			f := p.Datasets[0].Fingerprint
			f.Spacings, f.ShapesAfterCrop = f.Spacings[:4], f.ShapesAfterCrop[:4]
		},
	} {
		p := locking()
		change(p)
		now, err := NewLocked(p, nil, splits)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := l.Check(now)
		var got []string
		for _, c := range changes {
			got = append(got, c.Path)
		}
		if s := strings.Join(got, ","); s != want || err != nil {
			t.Errorf("got %q, want %q; %v", s, want, err)
		}
	}
	was.Name = "another"
	if _, err := l.Check(was); !errors.Is(err, ErrLock) {
		t.Error(err)
	}
	was.Name, was.Tags = "small", map[string]string{"size": "large", "a": "b"}
	if _, err := l.Check(was); !errors.Is(err, ErrLock) || !strings.HasSuffix(err.Error(), "it has no experiment small with -t a=b -t size=large") {
		t.Error(err)
	}
	l.Put(was, "v1")
	if changes, err := l.Check(was); err != nil || len(changes) > 0 || len(l.Experiments) != 2 {
		t.Error(changes, err, len(l.Experiments))
	}
	unknown := locking()
	unknown.Datasets[0].Fingerprint = nil
	if _, err := NewLocked(unknown, nil, splits); !errors.Is(err, ErrLock) || !strings.Contains(err.Error(), "D") {
		t.Error(err)
	}
}

// FuzzReadLock and FuzzLoad look for panics, and for files that are read, and
// then cannot be told or written.
func FuzzReadLock(f *testing.F) {
	now, err := NewLocked(locking(), nil, splits)
	if err != nil {
		f.Fatal(err)
	}
	var l Lock
	l.Put(now, "v1")
	seed(f, func(path string) error { return l.Write(path) })
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "lock.json")
		os.WriteFile(path, text, 0o644)
		l, err := ReadLock(path)
		if err != nil {
			return
		}
		l.Data(Source{}, "D")
		l.Check(now)
		l.Put(now, "v2")
		if err := l.Write(path); err != nil {
			t.Error(err)
		}
	})
}

func FuzzLoad(f *testing.F) {
	seed(f, func(path string) error { return WriteSaved(path, Saved{Spec: "a.cue", Plan: rich()}) })
	seed(f, func(path string) error { return Write(path, rich()) })
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "plan.json")
		os.WriteFile(path, text, 0o644)
		s, err := Load(path)
		if s.Plan == nil && err == nil {
			t.Fatal("neither plan nor error")
		}
		if s.Plan == nil {
			return
		}
		var b strings.Builder
		s.Plan.Describe(&b)
		if changes := Diff(s.Plan, rich()); err == nil && len(changes) == 0 {
			a, _ := s.Plan.Digest()
			if b, _ := rich().Digest(); a != b {
				t.Error("plans of two digests without a difference")
			}
		}
		for _, c := range slices.Concat(Diff(s.Plan, rich()), Diff(rich(), s.Plan)) {
			fmt.Fprint(&b, c)
		}
	})
}

// seed adds a file's text to a fuzz test.
func seed(f *testing.F, write func(path string) error) {
	path := filepath.Join(f.TempDir(), "seed.json")
	if err := write(path); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
}
