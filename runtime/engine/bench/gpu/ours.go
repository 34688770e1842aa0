package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ours has a figure of ours measured by this command in a process of its own: a
// client of a device keeps most of its memory until its process ends, and
// PyTorch's turn comes next.
func (b *bench) ours(ctx context.Context, name string) (Figure, error) {
	self, err := os.Executable()
	if err != nil {
		return Figure{}, err
	}
	device, err := json.Marshal(b.device)
	if err != nil {
		return Figure{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-pack", b.pack, "-work", b.work, fmt.Sprintf("-small=%t", b.small), "figure", name, string(device))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return Figure{}, fmt.Errorf("%s: %w", name, err)
	}
	return figure(out.Bytes())
}

// figure is the other end of ours: it prints the figure as one line of JSON.
func (b *bench) figure(ctx context.Context, name, device string) error {
	if err := json.Unmarshal([]byte(device), &b.device); err != nil {
		return fmt.Errorf("the device of a figure: %w", err)
	}
	f, err := b.own(ctx, name)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// own measures a figure in this process.
func (b *bench) own(ctx context.Context, name string) (Figure, error) {
	if name == "predict/task04/ours" {
		return b.predict(ctx)
	}
	for _, s := range shapes {
		what, ok := strings.CutPrefix(name, "step/"+s.name+"/")
		if name == "check/"+s.name {
			what, b.small = "check", true
		} else if !ok {
			continue
		}
		c, d, err := s.read(b)
		switch {
		case err != nil:
			return Figure{}, err
		case what == "ours":
			return b.step(c, d)
		case what == "check":
			return b.check(c, d)
		case what == "groups":
			return b.groups(c, d)
		}
	}
	return Figure{}, fmt.Errorf("there is no figure %q of ours", name)
}

// figure reads what a process that measures prints last: one line of JSON.
func figure(out []byte) (Figure, error) {
	var f Figure
	if err := json.Unmarshal(lastLine(out), &f); err != nil {
		return f, fmt.Errorf("its last line is no figure: %w", err)
	}
	return f, nil
}
