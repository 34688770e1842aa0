// Package provenance records where a run's numbers come from: one record for
// each time the run was started, with spec, arguments, commit, machine,
// versions, seeds and data. It is for people and papers; no result depends on
// it. Of the environment it keeps only what runspec itself reads.
package provenance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/machine"
)

// Version is the format of a File; fields are only added to it.
const Version = "runspec/provenance/v1"

// Name of the file in a run directory.
const Name = "provenance.json"

// File is all records of a run directory, oldest first.
type File struct {
	Version string   `json:"version"`
	Records []Record `json:"records"`
}

// Invocation is how the program was called.
type Invocation struct {
	Arguments []string          `json:"arguments"`      // the program's, its own name left out
	Directory string            `json:"directory"`      // that it was called in
	Spec      string            `json:"spec,omitempty"` // path
	Tags      map[string]string `json:"tags,omitempty"`
	Set       []string          `json:"set,omitempty"`
	Workers   int               `json:"workers"`
	Threads   int               `json:"threads"`
	Devices   string            `json:"devices,omitempty"` // that it trains on, and its precision; "": the processor
}

// Record is one time that a run was started. One without an end was killed, or
// is under way.
type Record struct {
	Invocation
	Start       time.Time         `json:"start"`
	End         *time.Time        `json:"end,omitempty"`
	State       string            `json:"state,omitempty"` // done, failed, interrupted, error
	Error       string            `json:"error,omitempty"`
	Experiment  string            `json:"experiment"`
	Plan        string            `json:"plan"`             // digest
	Text        string            `json:"text,omitempty"`   // of the spec
	SHA256      string            `json:"sha256,omitempty"` // of that text
	Git         *Git              `json:"git,omitempty"`    // nil: the spec is in no repository, or there is no git
	Machine     machine.Machine   `json:"machine"`
	Program     machine.Build     `json:"program"`
	Environment map[string]string `json:"environment"`
	Seed        uint64            `json:"seed"`
	Seeds       map[string]uint64 `json:"seeds"` // by study
	Data        map[string]string `json:"data"`  // digest of the files, by data set; "" where it is not known
}

// Git is the state of the repository that the spec lies in.
type Git struct {
	Commit string `json:"commit"`
	Dirty  bool   `json:"dirty"` // a file under version control is changed
}

// environment lists the variables that are recorded. None holds a secret.
var environment = []string{"RUNSPEC_DATA", "RUNSPEC_CACHE", "RUNSPEC_CPU", "RUNSPEC_PJRT", "GOMAXPROCS", "GOMEMLIMIT", "CI", "NO_COLOR"}

// Begin makes the record of a run that starts now.
func Begin(ctx context.Context, p *plan.Plan, i Invocation) Record {
	r := Record{
		Invocation: i, Start: time.Now().UTC(), Experiment: p.Name, Machine: machine.Here(), Program: machine.Program(),
		Environment: map[string]string{}, Seed: p.Seed, Seeds: map[string]uint64{}, Data: map[string]string{},
	}
	if r.Arguments == nil {
		r.Arguments = []string{}
	}
	r.Plan, _ = p.Digest() // a plan that was read has one
	for _, name := range environment {
		if v, ok := os.LookupEnv(name); ok {
			r.Environment[name] = v
		}
	}
	for _, s := range p.Studies {
		r.Seeds[s.Name] = s.Seed
	}
	for _, d := range p.Datasets {
		r.Data[d.Name] = d.Digest
	}
	if text, err := os.ReadFile(i.Spec); err == nil && i.Spec != "" {
		sum := sha256.Sum256(text)
		r.Text, r.SHA256 = string(text), hex.EncodeToString(sum[:])
		r.Git = repository(ctx, filepath.Dir(i.Spec))
	}
	return r
}

// patience is how long git may take; a repository on a slow disk is not waited for.
const patience = 10 * time.Second

// repository asks git about the repository of a folder.
func repository(ctx context.Context, dir string) *Git {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0") // to look is not to write
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "--verify", "HEAD")
	if err != nil {
		return nil
	}
	changes, err := git("status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return nil
	}
	return &Git{Commit: commit, Dirty: changes != ""}
}

// Read reads a run directory's records; none where there is no file.
func Read(dir string) (File, error) {
	path := filepath.Join(dir, Name)
	f := File{Version: Version, Records: []Record{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("provenance: %w", err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("provenance: %s: %w; move it away, and a new one is begun", path, err)
	}
	if f.Version != Version {
		return f, fmt.Errorf("provenance: %s is of format %q, this program writes %q; move it away, and a new one is begun", path, f.Version, Version)
	}
	return f, nil
}

// Write puts a record into a run directory: anew, or in the place of the one
// that started at the same time. The caller owns the directory.
func (r Record) Write(dir string) error {
	f, err := Read(dir)
	if err != nil {
		return err
	}
	if n := len(f.Records); n > 0 && f.Records[n-1].Start.Equal(r.Start) {
		f.Records[n-1] = r
	} else {
		f.Records = append(f.Records, r)
	}
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	return durable.Write(filepath.Join(dir, Name), append(text, '\n'))
}
