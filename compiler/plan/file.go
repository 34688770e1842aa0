package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/gowebpki/jcs"

	"runspec/runtime/durable"
)

// Canonical is the plan as canonical JSON (RFC 8785): equal plans have equal
// bytes, on any machine.
func (p *Plan) Canonical() ([]byte, error) { return canonical(p) }

// Digest names the plan: "sha256:" and the hexadecimal hash of its canonical form.
func (p *Plan) Digest() (string, error) { return Digest(p) }

// Digest names any part of a plan by its canonical form.
func Digest(part any) (string, error) {
	b, err := canonical(part)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:]), nil
}

func canonical(part any) ([]byte, error) {
	raw, err := json.Marshal(part)
	if err != nil {
		return nil, fmt.Errorf("plan as JSON: %w", err)
	}
	b, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("plan as canonical JSON: %w", err)
	}
	return b, nil
}

// Write writes the plan's canonical form to a file that appears whole:
// temporary file, sync, rename.
func Write(path string, p *Plan) error {
	b, err := p.Canonical()
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write plan %s: %w", path, err)
	}
	return nil
}

// ErrVersion is a file of another format than this program's.
var ErrVersion = errors.New("its version")

// Read reads a plan. A file of another version, or with fields that a plan
// lacks, is an error.
func Read(path string) (*Plan, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	var v struct{ Version string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("read plan %s: %w; compile the spec again", path, err)
	}
	if v.Version != Version {
		return nil, fmt.Errorf("read plan %s: %w is %q, this runspec reads %q; compile the spec again", path, ErrVersion, v.Version, Version)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var p Plan
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("read plan %s: %w; compile the spec again", path, err)
	}
	return &p, nil
}
