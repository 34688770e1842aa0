// Package spec is the language of experiments: the CUE schema, and the
// ready-made pieces that specs are composed of. In Go it is no more than the
// embedded files; package compiler gives them their meaning.
package spec

import "embed"

// ImportPath is the path under which a spec imports the language.
const ImportPath = "runspec.internal/spec"

// Files holds the package's CUE files.
//
//go:embed *.cue
var Files embed.FS
