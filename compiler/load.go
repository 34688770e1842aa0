package compiler

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	cueload "cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/mod/modfile"

	"runspec/compiler/diag"
	language "runspec/spec"
)

// source is a loaded spec: its value, the language's, and its text.
type source struct {
	path     string // as the user gave it
	file     string // absolute
	specDir  string // where the language's files are said to be
	value    cue.Value
	language cue.Value // package spec
	tags     map[string]string
	refused  []string            // tags whose values are of another type
	text     map[string][]string // lines of the files that were looked at
	tree     *ast.File           // of the spec
}

// module is the root of the module that the language itself is part of.
const module = "runspec.internal"

// textSource is a spec of which no more than the text is known.
func textSource(file string, text []byte) *source {
	return &source{path: file, file: file, text: map[string][]string{file: strings.Split(string(text), "\n")}}
}

// load reads the spec, sets what the command line sets, and evaluates it,
// offline. With some mistakes in the command line it goes on without those
// parts: then there is a source as well as diagnostics.
func load(path string, o Options) (*source, diag.Diagnostics) {
	s := &source{path: path, tags: o.Tags, text: map[string][]string{}}
	var err error
	if s.file, err = filepath.Abs(path); err != nil {
		return nil, unreadable(path, err)
	}
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return nil, unreadable(path, err)
	}
	s.text[s.file] = strings.Split(string(raw), "\n")
	s.tree, _ = parser.ParseFile(s.file, raw) // as far as it goes; the loader tells the mistakes
	tags, ds := s.checkTags()
	config, err := configure(s.file, tags)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(o.Set) > 0 {
		more, ok := s.set(config, o.Set)
		if ds = append(ds, more...); !ok {
			return nil, ds
		}
	}
	if more := s.evaluate(config); len(more) > 0 {
		return nil, append(ds, more...)
	}
	return s, ds
}

// evaluate gives the values of the spec and of the language.
func (s *source) evaluate(config *cueload.Config) diag.Diagnostics {
	inst := cueload.Instances([]string{s.file}, config)[0]
	if inst.Err != nil {
		return s.loadErrors(inst.Err)
	}
	ctx := cuecontext.New()
	spec := imported(inst)
	if spec == nil {
		return diag.Diagnostics{s.noExperiment("It does not import the language.")}
	}
	s.specDir = filepath.Dir(spec.BuildFiles[0].Filename)
	s.language = ctx.BuildInstance(spec)
	if err := s.language.Err(); err != nil {
		panic(err)
	}
	s.value = ctx.BuildInstance(inst)
	return nil
}

// imported finds the language among an instance's direct imports.
func imported(inst *build.Instance) *build.Instance {
	for _, i := range inst.Imports {
		if strings.Split(i.ImportPath, "@")[0] == language.ImportPath || strings.HasPrefix(i.ImportPath, language.ImportPath+":") {
			return i
		}
	}
	return nil
}

// configure resolves the language: inside its own module to that module's
// files, elsewhere to the copy in the binary, laid over the user's module, or
// over the spec's folder where there is no module.
func configure(file string, tags map[string]string) (*cueload.Config, error) {
	dir := filepath.Dir(file)
	root, name, err := findModule(dir)
	if err != nil {
		return nil, err
	}
	c := &cueload.Config{Dir: dir, Env: []string{"CUE_REGISTRY=none"}, AcceptLegacyModules: true, Overlay: map[string]cueload.Source{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		c.Tags = append(c.Tags, k+"="+tags[k])
	}
	if name == module {
		c.ModuleRoot = root
		return c, nil
	}
	if root == "" {
		root = dir
		c.Overlay[filepath.Join(root, "cue.mod", "module.cue")] = cueload.FromString(localModule)
	}
	c.ModuleRoot = root
	return c, fs.WalkDir(language.Files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := language.Files.ReadFile(p)
		c.Overlay[filepath.Join(root, "cue.mod", "pkg", filepath.FromSlash(language.ImportPath), p)] = cueload.FromBytes(raw)
		return err
	})
}

// findModule walks up from dir to the nearest cue.mod, and returns its root
// and the module's path without its version; "" where there is none.
func findModule(dir string) (root, name string, err error) {
	for d := dir; ; d = filepath.Dir(d) {
		f := filepath.Join(d, "cue.mod", "module.cue")
		raw, err := os.ReadFile(f)
		if err == nil {
			m, err := modfile.ParseNonStrict(raw, f)
			if err != nil {
				return "", "", err
			}
			return d, strings.Split(m.Module, "@")[0], nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if d == filepath.Dir(d) {
			return "", "", nil
		}
	}
}
