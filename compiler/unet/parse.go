package unet

import (
	"fmt"
	"strings"
)

// Every closed set in one place: parsing, checking and error messages share it.
var (
	norms       = []Norm{InstanceNorm, BatchNorm}
	activations = []Activation{LeakyReLU, ReLU, ELU, GELU, PReLU}
	encoders    = []Encoder{Plain, Residual}
)

// ParseNorm turns text from a spec or a file into a Norm; upper and lower
// case are the same.
func ParseNorm(text string) (Norm, error) { return parse("normalisation", text, norms) }

// ParseActivation turns text from a spec or a file into an Activation; upper
// and lower case are the same.
func ParseActivation(text string) (Activation, error) { return parse("activation", text, activations) }

func parse[T ~string](what, text string, known []T) (T, error) {
	for _, k := range known {
		if strings.EqualFold(string(k), text) {
			return k, nil
		}
	}
	return "", fmt.Errorf("unknown %s %q: choose one of %s", what, text, list(known))
}

func list[T ~string](known []T) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

func member[T ~string](x T, known []T) bool {
	for _, k := range known {
		if k == x {
			return true
		}
	}
	return false
}
