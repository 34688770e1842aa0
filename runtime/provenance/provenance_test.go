package provenance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runspec/compiler/plan"
)

var small = &plan.Plan{
	Version: plan.Version, Name: "small", Seed: 7, Studies: []plan.Study{{Name: "hpo", Seed: 9}},
	Datasets: []plan.Dataset{{Name: "Dataset001_A", Digest: "sha256:00"}},
}

func TestBegin(t *testing.T) {
	t.Setenv("RUNSPEC_DATA", "/data")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "do not tell")
	dir := t.TempDir()
	spec := filepath.Join(dir, "a.cue")
	if err := os.WriteFile(spec, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Begin(context.Background(), small, Invocation{Spec: spec, Arguments: []string{"a.cue"}, Tags: map[string]string{"profile": "laptop"}})
	if r.Seed != 7 || r.Seeds["hpo"] != 9 || r.Data["Dataset001_A"] != "sha256:00" || r.Text != "text" || r.Git != nil || r.Machine.Cores < 1 {
		t.Errorf("%+v", r)
	}
	if r.SHA256 != "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1" {
		t.Error("digest of the spec", r.SHA256)
	}
	if r.Environment["RUNSPEC_DATA"] != "/data" {
		t.Errorf("environment %v", r.Environment)
	}
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, Name)); strings.Contains(string(text), "do not tell") {
		t.Error("a secret is recorded")
	}
}

func TestRecordsAddUp(t *testing.T) {
	dir := t.TempDir()
	first := Begin(context.Background(), small, Invocation{})
	second := first
	second.Start = first.Start.Add(time.Second)
	for _, r := range []Record{first, second} {
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
		r.State = "done"
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Read(dir)
	if err != nil || len(f.Records) != 2 || f.Records[0].State != "done" || f.Records[1].State != "done" {
		t.Errorf("%+v, %v", f, err)
	}
	path := filepath.Join(dir, Name)
	for text, want := range map[string]string{"{": "move it away", `{"version":"x"}`: `format "x"`} {
		os.WriteFile(path, []byte(text), 0o644)
		if err := first.Write(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
		}
		if kept, _ := os.ReadFile(path); string(kept) != text {
			t.Error("a file that can't be read is replaced")
		}
	}
}

func TestGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	spec := filepath.Join(dir, "a.cue")
	os.WriteFile(spec, []byte("text"), 0o644)
	if g := repository(context.Background(), dir); g != nil {
		t.Errorf("no commit, but %+v", g)
	}
	git("add", ".")
	git("commit", "-qm", "a")
	if g := repository(context.Background(), dir); g == nil || len(g.Commit) < 40 || g.Dirty {
		t.Errorf("clean: %+v", g)
	}
	os.WriteFile(filepath.Join(dir, "untracked"), nil, 0o644)
	if g := repository(context.Background(), dir); g == nil || g.Dirty {
		t.Errorf("with an untracked file: %+v", g)
	}
	os.WriteFile(spec, []byte("other"), 0o644)
	if g := repository(context.Background(), dir); g == nil || !g.Dirty {
		t.Errorf("changed: %+v", g)
	}
}
