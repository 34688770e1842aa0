//go:build depstmp

package main

import (
	_ "cuelang.org/go/cue"
	_ "github.com/gofrs/flock"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/renameio/v2"
	_ "github.com/gowebpki/jcs"
	_ "github.com/hashicorp/hcl/v2"
	_ "github.com/klauspost/compress/gzip"
	_ "github.com/lmittmann/tint"
	_ "github.com/olekukonko/tablewriter"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/sbinet/npyio"
	_ "github.com/spf13/cobra"
	_ "github.com/vbauerster/mpb/v8"
	_ "go4.org/unsafe/assume-no-moving-gc"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/cpu"
	_ "golang.org/x/term"
	_ "gonum.org/v1/gonum/stat"
	_ "gorgonia.org/gorgonia"
	_ "pgregory.net/rapid"
)
