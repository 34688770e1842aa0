package nnunet

import (
	"fmt"
	"strings"

	"runspec/compiler/unet"
)

// Describe tells a person what the configuration's network is: its two halves,
// and its size with the patches that it is trained on.
func (c Configuration) Describe() ([]string, error) {
	n, err := unet.Build(c.Architecture)
	if err != nil {
		return nil, err
	}
	encoder, decoder := c.Architecture.Describe()
	patch := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Patch), " ", "×"), "[]")
	return []string{encoder, decoder, fmt.Sprintf("%d parameters, patch %s, batch %d", n.ParameterCount(), patch, c.Batch)}, nil
}
