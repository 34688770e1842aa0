package main

import (
	"strings"
	"testing"
)

// TestUnknownNetwork lists all networks that there are.
func TestUnknownNetwork(t *testing.T) {
	err := settings{plugin: "none.so"}.run([]string{"task05"})
	if err == nil {
		t.Fatal("there is a network task05")
	}
	for _, n := range networks {
		if !strings.Contains(err.Error(), n.name) {
			t.Errorf("no %s in %v", n.name, err)
		}
	}
}
