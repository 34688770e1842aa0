package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/gowebpki/jcs"

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

// Revision names what this code computes. It rises when the same job would give
// other numbers than before.
const Revision = "1"

// Code is what a training's numbers owe to the program.
type Code struct {
	Revision     string `json:"revision"`
	Instructions string `json:"instructions"`     // of the kernels: another set rounds otherwise
	Device       string `json:"device,omitempty"` // in the processor's place, and its precision: "cuda NVIDIA H200 bf16"
}

// ThisCode is the code of a training on the processor, in this process.
func ThisCode() Code { return Code{Revision: Revision, Instructions: kernel.ISA()} }

// CodeOn is the code of a training on a device.
func CodeOn(d accelerator.Device, p engine.Precision) Code {
	return Code{Revision: Revision, Instructions: kernel.ISA(), Device: fmt.Sprintf("%s %s %s", d.Platform, d.Kind, p)}
}

// Part is one thing that a job's result follows from.
type Part struct {
	Name   string          `json:"name"`
	Digest string          `json:"digest"`
	Value  json.RawMessage `json:"value"` // canonical JSON, that the digest is of
}

// Key names a job by its meaning: what its result follows from, and nothing
// else. Paths, threads and names are not among it, and neither is the parent,
// whose training is the beginning of this one's.
type Key struct {
	Digest string `json:"digest"`
	Parts  []Part `json:"parts"`
}

// Key gives the job's key.
func (j Job) Key() (Key, error) {
	settings := j.Training
	settings.Hyperparameters = plan.Hyperparameters{}
	var k Key
	digests := map[string]string{}
	for _, part := range []struct {
		name  string
		value any
	}{
		{"data", map[string]any{"digest": j.Digest, "fold": j.Fold}},
		{"preprocessing", map[string]any{"description": j.Description, "settings": j.Settings}},
		{"network", j.Configuration},
		{"training", settings},
		{"hyperparameters", j.Training.Hyperparameters},
		{"epochs", map[string]int{"epochs": j.Epochs, "horizon": j.Horizon}},
		{"seed", map[string]string{"seed": fmt.Sprint(j.Seed)}}, // as text: a JSON number may not hold it
		{"code", j.Code},
	} {
		value, digest, err := canonical(part.value)
		if err != nil {
			return k, fmt.Errorf("%s: key: %s: %w", j.Name, part.name, err)
		}
		k.Parts = append(k.Parts, Part{part.name, digest, value})
		digests[part.name] = digest
	}
	var err error
	_, k.Digest, err = canonical(digests)
	return k, err
}

// canonical gives a value as canonical JSON (RFC 8785), and its digest.
func canonical(v any) (json.RawMessage, string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, "", err
	}
	text, err := jcs.Transform(raw)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(text)
	return text, "sha256:" + hex.EncodeToString(sum[:]), nil
}
