package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"runspec/runtime/durable"
)

// SavedVersion is the format of a Saved.
const SavedVersion = "runspec/saved-plan/v1"

// ErrStale is a saved plan that its spec or its data no longer give.
var ErrStale = errors.New("the plan is stale")

// Saved is a plan in a file of its own, to be shown, approved and run later,
// with what it was compiled from.
type Saved struct {
	Version string            `json:"version"`
	Digest  string            `json:"digest"`         // of the plan
	Spec    string            `json:"spec,omitempty"` // relative to the file; "": not known, as of a run directory's plan.json
	Tags    map[string]string `json:"tags,omitempty"`
	Set     []string          `json:"set,omitempty"`
	Plan    *Plan             `json:"plan"`
}

// WriteSaved writes a plan with what it was compiled from. The spec's path is as
// the caller sees it.
func WriteSaved(path string, s Saved) error {
	var err error
	s.Version = SavedVersion
	if s.Digest, err = s.Plan.Digest(); err != nil {
		return err
	}
	if s.Spec, err = relativeTo(filepath.Dir(path), s.Spec); err != nil {
		return err
	}
	b, err := canonical(s)
	if err != nil {
		return err
	}
	durable.Sweep(filepath.Dir(path), 0)
	if err := durable.Write(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write plan %s: %w", path, err)
	}
	return nil
}

// relativeTo gives a path relative to a folder, with slashes.
func relativeTo(dir, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if short, err := filepath.Rel(from, to); err == nil {
		return filepath.ToSlash(short), nil
	}
	return filepath.ToSlash(to), nil
}

// Load reads a saved plan, or the plan of a run directory; its Spec is a path
// as the caller would see it. With an ErrVersion or ErrStale it gives what could
// be read of the file, to be shown.
func Load(path string) (Saved, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Saved{}, fmt.Errorf("read plan: %w", err)
	}
	var v struct{ Version string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return Saved{}, fmt.Errorf("read plan %s: %w; compile the spec again", path, err)
	}
	switch v.Version {
	case Version:
		p, err := Read(path)
		return Saved{Plan: p}, err
	case SavedVersion:
		return loadSaved(path, raw)
	}
	// Another version's file is shown as far as it has the same fields.
	s := Saved{Plan: &Plan{}}
	if json.Unmarshal(raw, &s) != nil || s.Plan == nil || s.Plan.Version == "" {
		s = Saved{Plan: &Plan{}}
		json.Unmarshal(raw, s.Plan) // whatever fits
	}
	return s, fmt.Errorf("read plan %s: %w is %q, this runspec reads %q; compile the spec again", path, ErrVersion, v.Version, SavedVersion)
}

func loadSaved(path string, raw []byte) (Saved, error) {
	var s Saved
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Saved{}, fmt.Errorf("read plan %s: %w; compile the spec again", path, err)
	}
	if s.Plan == nil {
		return Saved{}, fmt.Errorf("read plan %s: it holds no plan; compile the spec again", path)
	}
	if s.Spec != "" && !filepath.IsAbs(s.Spec) {
		s.Spec = filepath.Join(filepath.Dir(path), filepath.FromSlash(s.Spec))
	}
	if s.Plan.Version != Version {
		return s, fmt.Errorf("read plan %s: %w is %q, this runspec reads %q; compile the spec again", path, ErrVersion, s.Plan.Version, Version)
	}
	if digest, err := s.Plan.Digest(); err != nil {
		return s, err
	} else if digest != s.Digest {
		return s, fmt.Errorf("read plan %s: %w: it was changed after it was written; compile the spec again", path, ErrStale)
	}
	return s, nil
}

var learning = regexp.MustCompile(`^datasets\.[^.]+\.(digest|fingerprint|description)(\.|$)`)

// Unlearnt leaves out changes that are no more than that one of the plans knows
// data which the other has not read.
func Unlearnt(changes []Change) []Change {
	var out []Change
	for _, c := range changes {
		if c.Class != Cosmetic || !learning.MatchString(c.Path) {
			out = append(out, c)
		}
	}
	return out
}

// StaleError tells how a saved plan differs from what its spec and data give
// now. It is an ErrStale.
type StaleError struct {
	Path, Spec string
	Changes    []Change
}

func (e *StaleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v: its spec or its data have changed since; %s (old → new):\n", e.Path, ErrStale, Summary(e.Changes))
	WriteChanges(&b, e.Changes) // into memory
	if e.Spec == "" {
		return b.String() + "Compile its spec again."
	}
	return fmt.Sprintf("%sMake a new plan: runspec plan %s --out %s", b.String(), e.Spec, e.Path)
}

func (e *StaleError) Unwrap() error { return ErrStale }
