package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"runspec/compiler/plan"
	"runspec/runtime/dataset"
	"runspec/runtime/volume"
)

// commands are the words that scripts have beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":      exits,
	"phantom":    phantom,
	"truncate":   truncate,
	"garble":     garble,
	"voxel":      voxel,
	"label":      label,
	"thin":       thin,
	"same-run":   sameRun,
	"torn":       torn,
	"hold":       hold,
	"release":    release,
	"edit":       edit,
	"mistake":    mistake,
	"refused":    refused,
	"fresh":      fresh,
	"stop-after": stopAfter,
	"childless":  childless,
	"tidy":       tidy,
}

// arguments checks how many words a command was given.
func arguments(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

// number parses a whole number.
func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// exits runs a program and expects its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "exits CODE PROGRAM [ARG...]")
	want, got := number(ts, args[0]), 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// phantom writes a data set in the Decathlon's layout, of two organs.
func phantom(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "phantom DIR CASES")
	ts.Check(dataset.WritePhantom(context.Background(), ts.MkAbs(args[0]), plan.Phantom{
		Cases: number(ts, args[1]), Shape: [3]int{8, 8, 8}, Spacing: [3]float64{1, 1, 1}, Organs: 2, Noise: 0.3, Bias: 0.1, Seed: 1,
	}))
}

// truncate cuts a file to so many bytes, or, if they are negative, so many off
// its end.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "truncate FILE BYTES")
	path, size := ts.MkAbs(args[0]), number(ts, args[1])
	if size < 0 {
		info, err := os.Stat(path)
		ts.Check(err)
		size += int(info.Size())
	}
	ts.Check(os.Truncate(path, int64(size)))
}

// garble inverts the bytes in the middle of a file.
func garble(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "garble FILE")
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	for i := len(b) / 2; i < min(len(b), len(b)/2+16); i++ {
		b[i] ^= 0xff
	}
	ts.Check(os.WriteFile(path, b, 0o644))
}

// voxel sets a voxel of an image.
func voxel(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "voxel FILE VALUE")
	path := ts.MkAbs(args[0])
	v, err := strconv.ParseFloat(args[1], 32)
	ts.Check(err)
	image, err := volume.ReadImage(path)
	ts.Check(err)
	image.Data[len(image.Data)/2] = float32(v)
	ts.Check(volume.WriteImage(path, image))
}

// label sets a voxel of a label file.
func label(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "label FILE VALUE")
	path := ts.MkAbs(args[0])
	labels, err := volume.ReadLabels(path)
	ts.Check(err)
	labels.Data[len(labels.Data)/2] = int16(number(ts, args[1]))
	ts.Check(volume.WriteLabels(path, labels))
}

// thin takes the last slice off a label file.
func thin(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "thin FILE")
	path := ts.MkAbs(args[0])
	labels, err := volume.ReadLabels(path)
	ts.Check(err)
	labels.Shape[0]--
	labels.Data = labels.Data[:labels.Voxels()]
	ts.Check(volume.WriteLabels(path, labels))
}

// edit copies a file with one text replaced, wherever it stands.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 4, "edit FILE COPY OLD NEW")
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[2]) {
		ts.Fatalf("%s has no %q", args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(text, args[2], args[3])), 0o644))
}

// mistake expects that a spec is refused with a diagnostic at a place, given as
// FILE:LINE or FILE:LINE:COLUMN, that shows the line and names a remedy.
func mistake(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, "mistake FILE:LINE[:COLUMN] LINE REMEDY")
	file, _, _ := strings.Cut(args[0], ":")
	exits(ts, false, []string{"1", "runspec", file})
	text := ts.ReadFile("stderr")
	place := regexp.MustCompile(`--> ` + regexp.QuoteMeta(args[0]) + `[\s\S]*\n *\d+ \|.*` + regexp.QuoteMeta(args[1]))
	if !place.MatchString(text) {
		ts.Fatalf("no diagnostic at %s that shows %s", args[0], args[1])
	}
	if at := place.FindStringIndex(text); !regexp.MustCompile(args[2]).MatchString(text[at[1]:]) {
		ts.Fatalf("no remedy that matches %s", args[2])
	}
	plain(ts, text)
}

// refused expects that folder.cue is refused before training with one error
// that matches.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "refused PATTERN")
	exits(ts, false, []string{"1", "runspec", "folder.cue"})
	text := ts.ReadFile("stderr")
	if n := len(regexp.MustCompile(`(?m)^(error|runspec):`).FindAllString(text, -1)); n != 1 {
		ts.Fatalf("%d errors, want one", n)
	}
	if !regexp.MustCompile(args[0]).MatchString(text) {
		ts.Fatalf("no error that matches %s", args[0])
	}
	if strings.Contains(text, "training") {
		ts.Fatalf("a training began")
	}
	plain(ts, text)
}

// plain expects that a message is none of Go's.
func plain(ts *testscript.TestScript, text string) {
	if regexp.MustCompile(`panic|goroutine|\.go:\d`).MatchString(text) {
		ts.Fatalf("the message is Go's")
	}
}

// fresh puts the pristine data set where another was.
func fresh(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "fresh DIR")
	dir := ts.MkAbs(args[0])
	ts.Check(os.RemoveAll(dir))
	ts.Check(os.CopyFS(dir, os.DirFS(ts.MkAbs("pristine"))))
}
