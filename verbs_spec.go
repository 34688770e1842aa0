package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"runspec/compiler"
	"runspec/compiler/diag"
)

// errUnformatted is a check of the layout that found something to change.
var errUnformatted = errors.New("not formatted; `runspec fmt -w` formats")

func (f *flags) vetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "vet SPEC.cue...",
		Short: "Check specs, and show all mistakes; nothing is read but specs, nothing is written",
		Example: `  runspec vet experiments/*.cue
  runspec vet --diagnostics sarif experiments/*.cue > runspec.sarif`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := compiler.Vet(args, f.compilation())
			if len(found) > 0 {
				return found
			}
			return f.none(cmd.OutOrStdout())
		},
	}
}

// none writes that there are no diagnostics, where a program waits for them.
func (f *flags) none(w io.Writer) error {
	format, err := diag.ParseFormat(f.diagnostics)
	if err != nil || !format.Machine() {
		return err
	}
	return diag.Render(w, nil, format, diag.Options{})
}

// formatting is what fmt does with a file that is laid out in another way.
type formatting struct{ check, write, diff bool }

func fmtCommand() *cobra.Command {
	var how formatting
	cmd := &cobra.Command{
		Use:   "fmt [--check] [-w] [--diff] SPEC.cue...",
		Short: "Lay specs out as CUE's formatter does; prints them, unless a flag says otherwise",
		Long: `fmt lays specs out as CUE's formatter does, and prints them. "-" is the standard
input. What a spec means is left alone, and so is its plan.`,
		Example: `  runspec fmt -w experiments/*.cue
  runspec fmt --check --diff experiments/*.cue`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return how.files(cmd, args) },
	}
	cmd.Flags().BoolVar(&how.check, "check", false, "list the files that would change, and exit with 1 if there are any")
	cmd.Flags().BoolVarP(&how.write, "write", "w", false, "write the files")
	cmd.Flags().BoolVar(&how.diff, "diff", false, "print the changes")
	return cmd
}

// files formats all files, and tells the mistakes of all of them.
func (how formatting) files(cmd *cobra.Command, paths []string) error {
	var found diag.Diagnostics
	changed := false
	for _, path := range paths {
		old, text, err := formatted(cmd.InOrStdin(), path)
		var ds diag.Diagnostics
		if errors.As(err, &ds) {
			found = append(found, ds...)
			continue
		}
		if err == nil {
			err = how.file(cmd.OutOrStdout(), path, old, text)
		}
		if err != nil {
			return err
		}
		changed = changed || !bytes.Equal(old, text)
	}
	switch {
	case len(found) > 0:
		return found
	case how.check && changed:
		return errUnformatted
	}
	return nil
}

// stdin is the name of the standard input.
const stdin = "-"

func formatted(in io.Reader, path string) (old, text []byte, err error) {
	if path != stdin {
		return compiler.FormatFile(path)
	}
	if old, err = io.ReadAll(in); err != nil {
		return nil, nil, err
	}
	text, err = compiler.Format("<stdin>", old)
	return old, text, err
}

func (how formatting) file(out io.Writer, path string, old, text []byte) error {
	if !how.check && !how.diff && (!how.write || path == stdin) {
		_, err := out.Write(text)
		return err
	}
	if bytes.Equal(old, text) {
		return nil
	}
	if how.check {
		fmt.Fprintln(out, path)
	}
	if how.diff {
		if _, err := out.Write(diff.Diff(path+".orig", old, path, text)); err != nil {
			return err
		}
	}
	if !how.write || path == stdin {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, text, info.Mode().Perm())
}

func initCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Copy the language to where cue vet and editors look for it, and begin a spec",
		Long: `init copies the language to cue.mod/pkg of a folder's CUE module, so that cue vet
and the language server know what runspec has built in, and begins a spec where
there is none. Run it again after an update of runspec.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			done, err := compiler.Init(dir, force)
			if err != nil {
				return err
			}
			return list(cmd, done)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files of the language that were changed")
	return cmd
}

// list prints what became of files, named from here where they lie below.
func list(cmd *cobra.Command, done []compiler.Written) error {
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	for _, w := range done {
		path := w.Path
		if r, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(r) {
			path = r
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-7s %s\n", w.Did, filepath.ToSlash(path)); err != nil {
			return err
		}
	}
	return nil
}
